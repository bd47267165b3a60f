// SPDX-License-Identifier: Apache-2.0
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { JsonObject } from '../json.ts'
import { nonsense } from './cloud-client.ts'
import type { Lived } from './credential.ts'

const TOKEN_LENGTH_MAX = 16 * 1024
const LIFE_S_MAX = 366 * 24 * 3600
/** Seconds are rounded, and clocks differ. */
const SLACK_S = 60

/**
 * An OAuth 2.0 token (RFC 6749, section 5.1) that ends within what the operator was told of.
 * @throws SecretsError PROVIDER_CONFIG_INVALID when it lives longer: nothing else would end it
 */
export function readBearer(
  answer: JsonObject,
  { what, livesOnMs, nowMs }: { readonly what: string; readonly livesOnMs: number; readonly nowMs: ProviderPorts['nowMs'] },
): Lived<string> {
  const { access_token: token, token_type: type, expires_in: seconds } = answer
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') throw nonsense(what, 'no bearer token')
  const lifeS = typeof seconds === 'string' && /^[0-9]{1,9}$/.test(seconds) ? Number(seconds) : seconds
  if (typeof lifeS !== 'number' || !Number.isFinite(lifeS) || lifeS <= 0 || lifeS > LIFE_S_MAX) throw nonsense(what, 'no end of the token')
  if (lifeS > livesOnMs / 1000 + SLACK_S)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot ${what}: the token lives for ${Math.ceil(lifeS / 60)} minutes`, {
      hint: `Shorten it where it is made, or allow it with lives-on: ${Math.ceil(lifeS / 60)}m`,
    })
  return { value: readToken(token, what), endMs: nowMs() + lifeS * 1000 }
}

/** It becomes a header. @throws SecretsError PROVIDER_FAILED */
export function readToken(token: unknown, what: string): string {
  if (typeof token !== 'string' || token.length > TOKEN_LENGTH_MAX || !/^[\x21-\x7e]+$/.test(token)) throw nonsense(what, 'no token')
  return token
}
