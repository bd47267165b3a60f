// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from 'node:crypto'

/** Who may ship under a name. */
export interface ShippingCredential {
  /** Of the source; what is shipped can name no other. */
  readonly name: string
  /** SHA-256 of the token (32 bytes): whoever reads the receiver's files cannot ship. */
  readonly tokenHash: Uint8Array
}

/** A token is by chance, 32 bytes at least, and so needs no slow hash. Printable ASCII. */
const TOKEN = /^[\x21-\x7e]{32,512}$/

/** @throws TypeError for one that could be guessed, or that no header can hold */
export function hashToken(token: string): Uint8Array {
  if (!isToken(token)) throw new TypeError('A token has 32 to 512 printable characters')
  return createHash('sha256').update(token).digest()
}

export function isToken(token: string): boolean {
  return TOKEN.test(token)
}

/** The name that a header `authorization` proves. Takes as long for each credential, whatever was sent. Null: none. */
export function nameOfBearer(header: string | null, credentials: readonly ShippingCredential[]): string | null {
  const token = /^Bearer ([\x21-\x7e]{32,512})$/i.exec(header ?? '')?.[1]
  if (token === undefined) return null
  const hash = createHash('sha256').update(token).digest()
  let name: string | null = null
  for (const credential of credentials) if (timingSafeEqual(hash, credential.tokenHash)) name = credential.name
  return name
}
