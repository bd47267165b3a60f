// SPDX-License-Identifier: Apache-2.0
import { CLAIMS } from '../claims/claims.ts'
import { ALGORITHMS } from '../contract.ts'
import { type KeyRing, publishedKeys } from '../keys/key-ring.ts'

/** Below the issuer's URL. */
export const DISCOVERY_PATH = '/.well-known/openid-configuration'
export const JWKS_PATH = '/jwks'

/** OpenID Connect Discovery 1.0, section 3: what verifiers of workload tokens read of it. */
export function discoveryDocument({ issuer }: KeyRing): string {
  return document({
    issuer,
    jwks_uri: `${issuer}${JWKS_PATH}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ALGORITHMS,
    scopes_supported: ['openid'],
    claims_supported: CLAIMS.map(({ name }) => name),
  })
}

/** RFC 7517. */
export function jwksDocument(ring: KeyRing, nowS: number): string {
  return document({
    keys: publishedKeys(ring, nowS).map(({ kid, algorithm, publicKey }) => ({ ...publicKey, kid, alg: algorithm, use: 'sig' })),
  })
}

function document(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
