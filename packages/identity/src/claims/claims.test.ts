// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identity } from '../_identity.ts'
import { IdentityError } from '../identity-error.ts'
import { CLAIMS, type JobIdentity, jobClaims, parseIdentity, subjectOf } from './claims.ts'

const refused = (error: unknown): boolean => error instanceof IdentityError && error.code === 'IDENTITY_CLAIM_INVALID'

test('subjects have the shapes that trust policies for GitHub are written for', () => {
  const cases: readonly (readonly [Partial<JobIdentity>, string])[] = [
    [{}, 'repo:acme/app:ref:refs/heads/main'],
    [{ ref: 'refs/tags/v1.2.0' }, 'repo:acme/app:ref:refs/tags/v1.2.0'],
    [{ environment: 'prod' }, 'repo:acme/app:environment:prod'],
    [{ environment: 'prod', eventName: 'pull_request' }, 'repo:acme/app:environment:prod'],
    [{ eventName: 'pull_request', ref: 'refs/pull/7/merge' }, 'repo:acme/app:pull_request'],
    [{ eventName: 'pull_request_review', ref: 'refs/pull/7/merge' }, 'repo:acme/app:pull_request'],
    [{ eventName: 'pull_request_target' }, 'repo:acme/app:ref:refs/heads/main'],
  ]
  for (const [changes, subject] of cases) assert.equal(subjectOf(parseIdentity(identity(changes))), subject)
})

test('the name of an environment cannot leave its place in the subject', () => {
  const of = (environment: string): string => subjectOf(parseIdentity(identity({ environment })))
  assert.equal(of('prod:ref:refs/heads/main'), 'repo:acme/app:environment:prod%3Aref%3Arefs/heads/main')
  assert.equal(of('prod%3Aeast'), 'repo:acme/app:environment:prod%253Aeast')
  assert.notEqual(of('prod%3Aeast'), of('prod:east'))
})

test('hostile values are refused, whichever field they are in', () => {
  const anywhere = ['', ' main', 'main\n', 'a\nb', 'a\u0000b', '\u001b[2J', 'a\u202eb', 'a\u200bb', '\ud800', 'x'.repeat(2000)]
  const fields = Object.keys(identity()).filter((field) => field !== 'selfCheck') as (keyof JobIdentity)[]
  for (const field of fields)
    for (const value of anywhere)
      assert.throws(() => parseIdentity({ ...identity(), [field]: value }), refused, `${field}: ${JSON.stringify(value)}`)
  for (const field of fields) assert.throws(() => parseIdentity({ ...identity(), [field]: 7 }), refused, field)
})

test('what is no ref, repository, file or digest is refused', () => {
  const hostile: Partial<Record<keyof JobIdentity, readonly string[]>> = {
    ref: [
      'main',
      'refs/main',
      'refs/heads/',
      'refs/heads/a:b',
      'refs/heads/*',
      'refs/heads/a?',
      'refs/heads/a b',
      'refs/heads/a..b',
      'refs/heads/a@{1}',
      'refs/heads//a',
      'refs/heads/.a',
      'refs/heads/a.lock',
      'refs/heads/a.',
      'refs/heads/a\\b',
      `refs/heads/${'x'.repeat(500)}`,
    ],
    repository: [
      'acme',
      'acme/app/more',
      'acme/app:ref:refs/heads/main',
      'acme/*',
      '/app',
      'acme/',
      'acme/..',
      'acme app/x',
      'äcme/app',
      '-acme/app',
    ],
    sha: ['a'.repeat(39), 'A'.repeat(40), 'main'],
    workflowRef: [
      'acme/app/release.yml',
      'acme/app/@refs/heads/main',
      'acme/app/../x.yml@refs/heads/main',
      'acme/app/x.yml@refs/heads/main@refs/heads/a:b',
      'acme/app/x@refs/heads/main/y.yml@refs/heads/evil',
      'acme/app/x.sh@refs/heads/main',
      'acme/app/x:y.yml@refs/heads/main',
    ],
    workflowDigest: ['0'.repeat(64), `sha256:${'0'.repeat(63)}`, `sha256:${'G'.repeat(64)}`],
    eventName: ['Push', 'push:x', 'pull-request'],
    isolation: ['oci:x', '-oci'],
    policyDigest: ['none'],
  }
  for (const [field, values] of Object.entries(hostile))
    for (const value of values) assert.throws(() => parseIdentity({ ...identity(), [field]: value }), refused, `${field}: ${value}`)
})

test('a job whose walls were not tried, or did not stand, has no identity', () => {
  for (const selfCheck of [null, undefined, {}, { passed: 0, failed: [] }, { passed: 3, failed: ['network'] }, { passed: '3', failed: [] }])
    assert.throws(() => parseIdentity({ ...identity(), selfCheck }), refused)
})

test('fields that nobody knows, and none at all, are refused', () => {
  for (const value of [
    null,
    [],
    'x',
    {},
    { ...identity(), sub: 'repo:acme/app:ref:refs/heads/main' },
    { ...identity(), repository: undefined },
  ])
    assert.throws(() => parseIdentity(value), refused)
})

test('a token says each claim of the list, and no other', () => {
  const ofToken = ['iss', 'aud', 'iat', 'nbf', 'exp', 'jti']
  const all = jobClaims(parseIdentity(identity({ environment: 'prod', policyDigest: `sha256:${'1'.repeat(64)}` })))
  assert.deepEqual([...ofToken, ...Object.keys(all)].toSorted(), CLAIMS.map(({ name }) => name).toSorted())
  assert.deepEqual([all['repository_owner'], all['ref_type'], all['self_check']], ['acme', 'branch', 'passed'])
  const few = jobClaims(parseIdentity(identity()))
  assert.deepEqual(['environment' in few, 'policy_digest' in few], [false, false])
})
