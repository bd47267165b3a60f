// SPDX-License-Identifier: Apache-2.0
// What a server says. Untrusted: only what has the shape that is asked for goes on.
import { SecretsError } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'

export interface VaultAnswer {
  /** Empty for an answer without a body. */
  readonly body: JsonObject
}

/** A token that was made: by a login, or as a child. */
export interface MadeToken {
  readonly token: string
  /** What ends it, and reveals nothing. */
  readonly accessor: string
  /** Null: it does not end by itself. */
  readonly ttlMs: number | null
  readonly isRenewable: boolean
  /** It does not end with the token that it was made with. */
  readonly isOrphan: boolean
}

export interface Wrapping {
  readonly token: string
  /** Of the token that is wrapped; null where something else is. */
  readonly wrappedAccessor: string | null
}

const TOKEN_LENGTH_MAX = 4096
const DURATION_S_MAX = 10 * 365 * 24 * 3600

export function readMadeToken({ body }: VaultAnswer, what: string): MadeToken {
  const auth = body['auth']
  if (!isJsonObject(auth)) throw nonsense(what, 'no token')
  return {
    token: readToken(auth['client_token'], what),
    accessor: readToken(auth['accessor'], what),
    ttlMs: readDurationMs(auth['lease_duration'], what),
    isRenewable: auth['renewable'] === true,
    isOrphan: auth['orphan'] === true,
  }
}

export function readWrapping({ body }: VaultAnswer, what: string): Wrapping {
  const info = body['wrap_info']
  if (!isJsonObject(info)) throw nonsense(what, 'no wrapping token')
  const accessor = info['wrapped_accessor']
  return {
    token: readToken(info['token'], what),
    wrappedAccessor: accessor === undefined || accessor === '' ? null : readToken(accessor, what),
  }
}

/** Of a lease that ends. Null: there is none. */
export function readLease(
  { body }: VaultAnswer,
  what: string,
): { readonly id: string; readonly ttlMs: number; readonly isRenewable: boolean } | null {
  const id = body['lease_id']
  if (id === undefined || id === '') return null
  if (typeof id !== 'string' || id.length > TOKEN_LENGTH_MAX) throw nonsense(what, 'no lease')
  const ttlMs = readDurationMs(body['lease_duration'], what)
  if (ttlMs === null) throw nonsense(what, 'a lease without an end')
  return { id, ttlMs, isRenewable: body['renewable'] === true }
}

/** Null for zero, which stands for no end. */
function readDurationMs(value: unknown, what: string): number | null {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > DURATION_S_MAX) throw nonsense(what, 'no duration')
  return value === 0 ? null : value * 1000
}

/** It becomes a header. */
function readToken(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length > TOKEN_LENGTH_MAX || !/^[\x21-\x7e]+$/.test(value)) throw nonsense(what, 'no token')
  return value
}

/** Without a word of what was said, which may hold a secret. */
export function nonsense(what: string, flaw: string): SecretsError {
  return new SecretsError('PROVIDER_FAILED', `Cannot ${what}: there is ${flaw} in the answer`, {
    hint: 'Look whether the address is that of a Vault or OpenBao server',
  })
}
