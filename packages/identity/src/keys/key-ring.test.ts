// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactVerify, createLocalJWKSet } from 'jose'
import { ISSUER, START_S } from '../_identity.ts'
import { ALGORITHMS, CLOCK_SKEW_S, LIFETIME_S } from '../contract.ts'
import { jwksDocument } from '../discovery/documents.ts'
import { IdentityError } from '../identity-error.ts'
import { beginRing, currentKey, type KeyRing, PUBLISHED_BEFORE_S, publishedKeys, rotateRing } from './key-ring.ts'
import { makeKey } from './make-key.ts'
import { type PublicJwk, thumbprint } from './public-jwk.ts'

// RFC 7638, section 3.1
const RFC7638_KEY: PublicJwk = {
  kty: 'RSA',
  n:
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Qvzq' +
    'Y368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
}
const RFC7638_THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'

// RFC 8037, appendices A.2, A.3 and A.4
const RFC8037_KEY: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
const RFC8037_THUMBPRINT = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'
const RFC8037_JWS =
  'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg'

test('names of keys are the thumbprints of RFC 7638, also for the curve of RFC 8037', async () => {
  assert.equal(await thumbprint(RFC7638_KEY), RFC7638_THUMBPRINT)
  assert.equal(await thumbprint(RFC8037_KEY), RFC8037_THUMBPRINT)
})

test('the example of RFC 8037 verifies with a key as it is published', async () => {
  const key = { kid: RFC8037_THUMBPRINT, algorithm: 'EdDSA', publicKey: RFC8037_KEY, state: 'current' } as const
  const ring: KeyRing = { issuer: ISSUER, keys: [{ ...key, publishedAtS: 0, signsFromS: 0, expiresAtS: null }] }
  const keys = createLocalJWKSet(JSON.parse(jwksDocument(ring, START_S)) as Parameters<typeof createLocalJWKSet>[0])
  const { payload } = await compactVerify(RFC8037_JWS, keys)
  assert.equal(Buffer.from(payload).toString(), 'Example of Ed25519 signing')
  const forged = `${RFC8037_JWS.slice(0, -4)}AAAA`
  await assert.rejects(compactVerify(forged, keys))
})

async function freshRing(): Promise<KeyRing> {
  const pairs = await Promise.all(
    ALGORITHMS.map(async (algorithm) => ({ current: await makeKey(algorithm), next: await makeKey(algorithm) })),
  )
  return beginRing(ISSUER, pairs, START_S)
}

test('a key is published before it signs, and after it has signed', async () => {
  const ring = await freshRing()
  const early = START_S + PUBLISHED_BEFORE_S - 1
  assert.throws(
    () => rotateRing(ring, [], early),
    (error) => error instanceof IdentityError && error.code === 'IDENTITY_TOO_EARLY',
  )
  const rotatedAtS = START_S + PUBLISHED_BEFORE_S
  const rotated = rotateRing(ring, await Promise.all(ALGORITHMS.map(makeKey)), rotatedAtS)
  for (const algorithm of ALGORITHMS) {
    const [before, after] = [currentKey(ring, algorithm), currentKey(rotated, algorithm)]
    assert.notEqual(before.kid, after.kid)
    assert.ok(publishedKeys(ring, rotatedAtS).some(({ kid }) => kid === after.kid))
    const lastTokenEndsS = rotatedAtS + LIFETIME_S.max + CLOCK_SKEW_S
    assert.ok(publishedKeys(rotated, lastTokenEndsS).some(({ kid }) => kid === before.kid))
    assert.ok(!publishedKeys(rotated, lastTokenEndsS + 10 * CLOCK_SKEW_S).some(({ kid }) => kid === before.kid))
  }
})

test('what is published holds no private half', async () => {
  const { keys } = JSON.parse(jwksDocument(await freshRing(), START_S)) as { keys: Record<string, unknown>[] }
  const members = new Set(keys.flatMap(Object.keys))
  assert.deepEqual([...members].toSorted(), ['alg', 'crv', 'e', 'kid', 'kty', 'n', 'use', 'x'])
})
