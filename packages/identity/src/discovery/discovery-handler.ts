// SPDX-License-Identifier: Apache-2.0
import { type HttpAnswer, type HttpHandler, textAnswer } from '@sallyport/http'
import type { KeyRing } from '../keys/key-ring.ts'
import { readRing } from '../keys/ring-file.ts'
import { DISCOVERY_PATH, discoveryDocument, JWKS_PATH, jwksDocument } from './documents.ts'

/** Verifiers may keep them for so long; a key is published for much longer before it signs. */
const HEADERS = { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' } as const

export interface DiscoveryOptions {
  /** Of the minter. */
  readonly directory: string
  readonly nowS: () => number
}

/** Read-only, and nothing but the two documents, below the path of the issuer's URL. Each request reads what is there now, so that a rotation shows. */
export function discoveryHandler({ directory, nowS }: DiscoveryOptions): HttpHandler {
  return async ({ method, path }) => {
    if (method !== 'GET' && method !== 'HEAD') return textAnswer(405, 'method not allowed\n', { allow: 'GET, HEAD' })
    const ring = await readRing(directory)
    return (ring === null ? null : documentAt(ring, path, nowS())) ?? textAnswer(404, 'not found\n', { 'cache-control': 'no-cache' })
  }
}

function documentAt(ring: KeyRing, path: string, nowS: number): HttpAnswer | null {
  const prefix = new URL(ring.issuer).pathname.replace(/\/$/, '')
  if (path === `${prefix}${DISCOVERY_PATH}`) return { status: 200, headers: HEADERS, body: discoveryDocument(ring) }
  if (path === `${prefix}${JWKS_PATH}`) return { status: 200, headers: HEADERS, body: jwksDocument(ring, nowS) }
  return null
}
