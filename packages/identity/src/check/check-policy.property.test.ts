// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IdentityError } from '../identity-error.ts'
import { checkTrustPolicy } from './check-policy.ts'

/** Subjects of somebody who wants in where acme/app is meant. */
const EVIL: readonly string[] = [
  'repo:evil/app:ref:refs/heads/main',
  'repo:acme-evil/app:ref:refs/heads/main',
  'repo:acme/evil:ref:refs/heads/main',
  'repo:acme/app-evil:ref:refs/heads/main',
  'repo:acme/app:pull_request',
  'repo:acme/app:ref:refs/heads/evil',
  'repo:acme/app:ref:refs/heads/main-evil',
  'repo:acme/app:environment:evil',
  'repo:acme/app:environment:prod-evil',
]

const pieces = fc.constantFrom(
  'repo:',
  'acme',
  '/',
  'app',
  ':',
  'ref:',
  'refs/heads/',
  'refs/tags/',
  'main',
  'release/',
  'environment:',
  'prod',
  'pull_request',
  '*',
  '*',
  '?',
  '-',
)

const patterns = fc.oneof(
  fc.array(pieces, { maxLength: 10 }).map((parts) => parts.join('')),
  fc
    .tuple(fc.nat(40), fc.constantFrom('*', '?', '*?', '*:*'))
    .map(([length, end]) => `repo:acme/app:ref:refs/heads/main`.slice(0, length) + end),
)

function globMatches(pattern: string, subject: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(subject)
}

test('a pattern that lets a stranger in is found, whatever it is made of', async () => {
  let letIn = 0
  await fc.assert(
    fc.asyncProperty(patterns, async (pattern) => {
      const evil = EVIL.find((subject) => globMatches(pattern, subject))
      if (evil === undefined) return
      letIn += 1
      const statement = {
        Effect: 'Allow',
        Principal: { Federated: 'arn:aws:iam::1:oidc-provider/ci.example.test' },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: { StringEquals: { 'ci.example.test:aud': 'x' }, StringLike: { 'ci.example.test:sub': pattern } },
      }
      const { findings } = await checkTrustPolicy('p.json', JSON.stringify({ Statement: [statement] }))
      assert.ok(
        findings.some(({ path }) => path.includes('sub')),
        `${pattern} lets ${evil} in`,
      )
    }),
    { numRuns: 4000 },
  )
  assert.ok(letIn > 200, `${letIn} let somebody in`)
})

const words = fc.constantFrom(
  'Statement',
  'Effect',
  'Allow',
  'Principal',
  'Federated',
  'Action',
  'sts:AssumeRoleWithWebIdentity',
  'Condition',
  'StringLike',
  'x:sub',
  'subject',
  'issuer',
  'audiences',
  'claimsMatchingExpression',
  'value',
  'attributeCondition',
  'attributeMapping',
  'oidc',
  'bound_claims',
  'bound_subject',
  'bound_audiences',
  'data',
  'properties',
)

test('no document makes it fail otherwise than with its own error', async () => {
  const document = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      words,
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(words, tie('any'), { maxKeys: 4 }),
    ),
  })).any
  await fc.assert(
    fc.asyncProperty(document, async (value) => {
      const error = await checkTrustPolicy('p.json', JSON.stringify(value)).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      assert.ok(error === null || (error instanceof IdentityError && error.code === 'TRUST_POLICY_INVALID'), String(error))
    }),
    { numRuns: 2000 },
  )
})
