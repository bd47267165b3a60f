// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'

/** What no library knows how to verify. */
const NAME = 'sallyport-placeholder'

/**
 * A text of the token's shape that is worth nothing anywhere: the claims are the token's own, so that clients which look into it see when it
 * ends and for whom it is; its algorithm and its key do not exist, and its signature is chance, as long as the real one, which also
 * makes it a text that nobody guesses.
 */
export function placeholderFor(token: string): string {
  const [, claims = '', signature = ''] = token.split('.')
  const header = Buffer.from(JSON.stringify({ alg: NAME, kid: NAME, typ: 'JWT' })).toString('base64url')
  const chance = randomBytes(Buffer.from(signature, 'base64url').byteLength).toString('base64url')
  return `${header}.${claims}.${chance}`
}
