// SPDX-License-Identifier: Apache-2.0
// Verifier keys of C2SP signed-note ("vkeys"): name, key id and public key in one line.
import { Buffer } from 'node:buffer'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { malformed } from '../audit-log-error.ts'
import { formatBase64, parseBase64 } from '../text.ts'
import { sha256 } from '../tree/hash.ts'
import { isKeyName } from './note.ts'

/** Signature types that we make and check. Others are unknown keys: notes may carry them, nobody can trust them. */
export const SIGNATURE_TYPE = { ed25519: 0x01, cosignature: 0x04 } as const

export type SignatureType = (typeof SIGNATURE_TYPE)[keyof typeof SIGNATURE_TYPE]

export interface VerifierKey {
  readonly name: string
  readonly keyId: number
  readonly type: SignatureType
  /** As RFC 8032 encodes it: 32 bytes. */
  readonly publicKey: Uint8Array
}

const WHAT = 'verifier key'
const PUBLIC_KEY_BYTES = 32
/** Room for a long name and the largest key of an assigned type (ML-DSA-44), so that what is said of that is that it is not supported. */
const VERIFIER_KEY_LENGTH_MAX = 4000

/** @throws AuditLogError `AUDIT_LOG_MALFORMED`, for a type that we do not check, too. */
export function parseVerifierKey(text: string): VerifierKey {
  if (text.length > VERIFIER_KEY_LENGTH_MAX) throw malformed(WHAT, 'it is too long')
  const [, name, keyIdHex, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? []
  if (name === undefined || keyIdHex === undefined || encoded === undefined || !isKeyName(name))
    throw malformed(WHAT, 'it is not NAME+KEYID+KEY')
  const bytes = parseBase64(encoded)
  const type = Object.values(SIGNATURE_TYPE).find((known) => known === bytes?.[0])
  if (bytes === null || type === undefined) throw malformed(WHAT, 'it is not of type Ed25519 (1) or Ed25519 cosignature (4)')
  if (bytes.length !== 1 + PUBLIC_KEY_BYTES) throw malformed(WHAT, 'its key has the wrong length')
  const key = verifierKey(name, type, bytes.subarray(1))
  if (key.keyId !== Number.parseInt(keyIdHex, 16)) throw malformed(WHAT, 'its key id is not that of name and key')
  return key
}

export function formatVerifierKey({ name, keyId, type, publicKey }: VerifierKey): string {
  return `${name}+${keyId.toString(16).padStart(8, '0')}+${formatBase64(Buffer.from([type, ...publicKey]))}`
}

/** The verifier key of a public or private Ed25519 key. @throws AuditLogError `AUDIT_LOG_MALFORMED` for a name that no key can have. */
export function verifierKeyOf(name: string, type: SignatureType, key: KeyObject): VerifierKey {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`An Ed25519 key is needed, not ${key.asymmetricKeyType ?? key.type}`)
  const { x = '' } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return verifierKey(name, type, Buffer.from(x, 'base64url'))
}

function verifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw malformed(WHAT, 'its name is empty, or has a space or plus')
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]))
  return { name, keyId: Buffer.from(id).readUInt32BE(0), type, publicKey }
}

export function publicKeyOf({ publicKey }: VerifierKey): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }, format: 'jwk' })
}
