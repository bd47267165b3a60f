// SPDX-License-Identifier: Apache-2.0
import type { TokenRequest } from './contract.ts'

export interface ParsedRequest {
  readonly bearer: string
  /** Null when the request names none. */
  readonly audience: string | null
}

export interface MalformedRequest {
  readonly status: number
  readonly message: string
}

const TARGET_LENGTH_MAX = 4096
/** RFC 6750 section 2.1, as long as a bearer of ours is at most. */
const AUTHORIZATION = /^bearer ([A-Za-z0-9._~+/=-]{1,512})$/i

/** GitHub's protocol: `GET URL&audience=…` with `authorization: bearer …`. Other parameters mean nothing here. */
export function parseTokenRequest({ method, target, header }: TokenRequest, path: string): ParsedRequest | MalformedRequest {
  if (method !== 'GET') return { status: 405, message: 'ask with GET' }
  if (target.length > TARGET_LENGTH_MAX) return { status: 414, message: 'the request is too long' }
  const [before = '', ...query] = target.split('?')
  if (before !== path) return { status: 404, message: 'there is nothing here' }
  const audiences = new URLSearchParams(query.join('?')).getAll('audience')
  const [audience = null] = audiences
  if (audiences.length > 1 || audience === '') return { status: 400, message: 'name one audience' }
  const bearer = AUTHORIZATION.exec(header('authorization') ?? '')?.[1]
  return bearer === undefined ? { status: 401, message: 'send the request token as a bearer' } : { bearer, audience }
}
