// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { identity } from '../_identity.ts'
import { IdentityError } from '../identity-error.ts'
import { type JobIdentity, jobClaims, parseIdentity, subjectOf } from './claims.ts'

/** Pieces that mean something in subjects, patterns and policies, and whatever else. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc
    .array(
      fc.constantFrom(
        'acme',
        'app',
        '/',
        ':',
        '%3A',
        '%',
        'ref',
        'refs/heads/',
        'main',
        'environment',
        'pull_request',
        'repo:',
        '*',
        '@',
        '.',
        'x',
        '\n',
        ' ',
      ),
      { maxLength: 9 },
    )
    .map((pieces) => pieces.join('')),
)

const changes: fc.Arbitrary<Partial<JobIdentity>> = fc.record(
  {
    repository: hostile.map((text) => `acme/${text}`),
    ref: hostile.map((text) => `refs/heads/${text}`),
    environment: fc.option(hostile),
    eventName: fc.constantFrom('push', 'pull_request', 'schedule'),
    workflow: hostile,
    job: hostile,
  },
  { requiredKeys: [] },
)

function parsed(change: Partial<JobIdentity>): JobIdentity | null {
  try {
    return parseIdentity(identity(change))
  } catch (error) {
    assert.ok(error instanceof IdentityError)
    return null
  }
}

/** The facts that a verifier takes from a subject. */
function meaning({ repository, ref, environment, eventName }: JobIdentity): string {
  if (environment !== null) return JSON.stringify([repository, 'environment', environment])
  return JSON.stringify([repository, ...(eventName === 'pull_request' ? ['pull_request'] : ['ref', ref])])
}

test('whatever names are chosen, a subject is read as what it was made of, and in no other way', () => {
  let accepted = 0
  fc.assert(
    fc.property(changes, (change) => {
      const facts = parsed(change)
      if (facts === null) return
      accepted += 1
      const [repo, repository, kind, ...rest] = subjectOf(facts).split(':')
      assert.equal(repo, 'repo')
      assert.equal(repository, facts.repository)
      assert.equal(rest.length, kind === 'pull_request' ? 0 : 1)
      const value = rest[0] ?? ''
      const read =
        kind === 'environment' ? [kind, value.replaceAll('%3A', ':').replaceAll('%25', '%')] : kind === 'ref' ? [kind, value] : [kind]
      assert.equal(JSON.stringify([repository, ...read]), meaning(facts))
    }),
    { numRuns: 3000 },
  )
  assert.ok(accepted > 100, `${accepted} were accepted`)
})

test('two jobs have one subject only where they are the same to a verifier', () => {
  fc.assert(
    fc.property(changes, changes, (one, other) => {
      const [first, second] = [parsed(one), parsed(other)]
      if (first === null || second === null) return
      assert.equal(subjectOf(first) === subjectOf(second), meaning(first) === meaning(second))
    }),
    { numRuns: 3000 },
  )
})

test('no claim of a token spans lines or hides characters', () => {
  fc.assert(
    fc.property(changes, (change) => {
      const facts = parsed(change)
      if (facts === null) return
      for (const value of Object.values(jobClaims(facts))) assert.doesNotMatch(value, /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u)
    }),
    { numRuns: 2000 },
  )
})
