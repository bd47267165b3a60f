// SPDX-License-Identifier: Apache-2.0
import { calculateJwkThumbprint } from 'jose'
import type { Algorithm } from '../contract.ts'

/** Never anything else of a key: what a JWK has beside these may be private. */
export type PublicJwk =
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

const BASE64URL = /^[A-Za-z0-9_-]{1,1024}$/

/** Null when it is no public key for the algorithm. */
export function parsePublicJwk(value: unknown, algorithm: Algorithm): PublicJwk | null {
  if (typeof value !== 'object' || value === null) return null
  const { kty, n, e, crv, x } = value as Record<string, unknown>
  if (algorithm === 'RS256') return kty === 'RSA' && isBase64Url(n) && isBase64Url(e) ? { kty, n, e } : null
  return kty === 'OKP' && crv === 'Ed25519' && isBase64Url(x) ? { kty, crv, x } : null
}

function isBase64Url(value: unknown): value is string {
  return typeof value === 'string' && BASE64URL.test(value)
}

/** RFC 7638, SHA-256. */
export function thumbprint(key: PublicJwk): Promise<string> {
  return calculateJwkThumbprint(key)
}
