// SPDX-License-Identifier: Apache-2.0
// Who checks and makes signatures on notes: Ed25519 over the text (C2SP signed-note), and timestamped Ed25519 cosignatures
// (C2SP tlog-cosignature).
import { Buffer } from 'node:buffer'
import { type KeyObject, sign, verify } from 'node:crypto'
import { malformed } from '../audit-log-error.ts'
import { encodeUtf8 } from '../text.ts'
import { isNoteText, type NoteSignature } from './note.ts'
import { publicKeyOf, SIGNATURE_TYPE, type VerifierKey, verifierKeyOf } from './verifier-key.ts'

/** What a valid signature says beyond "this key signed this text". */
export interface VerifiedSignature {
  readonly key: VerifierKey
  /** Seconds since the epoch when a cosigner signed; null where the signature has no time. */
  readonly timestampS: number | null
}

export interface NoteVerifier {
  readonly key: VerifierKey
  /** Null when `signature` is not this key's over `text`. Both are untrusted. */
  verify(text: string, signature: Uint8Array): VerifiedSignature | null
}

export interface NoteSigner {
  readonly key: VerifierKey
  sign(text: string): NoteSignature
}

export interface Cosigner {
  readonly key: VerifierKey
  /** `timestampS`: POSIX seconds, now. What is cosigned is a checkpoint's text. */
  cosign(text: string, timestampS: number): NoteSignature
}

const SIGNATURE_BYTES = 64
const TIMESTAMP_BYTES = 8

export function noteVerifier(key: VerifierKey): NoteVerifier {
  return key.type === SIGNATURE_TYPE.cosignature ? cosignatureVerifier(key) : ed25519Verifier(key)
}

export function ed25519Verifier(key: VerifierKey): NoteVerifier {
  const publicKey = publicKeyOf(assertType(key, SIGNATURE_TYPE.ed25519))
  return {
    key,
    verify: (text, signature) =>
      signature.length === SIGNATURE_BYTES && verify(null, encodeUtf8(text), publicKey, signature) ? { key, timestampS: null } : null,
  }
}

export function cosignatureVerifier(key: VerifierKey): NoteVerifier {
  const publicKey = publicKeyOf(assertType(key, SIGNATURE_TYPE.cosignature))
  return {
    key,
    verify: (text, signature) => {
      if (signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return null
      const timestampS = Number(Buffer.from(signature).readBigUInt64BE(0))
      // Some 285 million years from now: a verifier may refuse the future
      if (!Number.isSafeInteger(timestampS)) return null
      const isValid = verify(null, encodeUtf8(cosignedMessage(text, timestampS)), publicKey, signature.subarray(TIMESTAMP_BYTES))
      return isValid ? { key, timestampS } : null
    },
  }
}

export function ed25519Signer(name: string, privateKey: KeyObject): NoteSigner {
  const key = verifierKeyOf(name, SIGNATURE_TYPE.ed25519, privateKey)
  return {
    key,
    sign: (text) => ({ name, keyId: key.keyId, signature: sign(null, encodeUtf8(assertText(text)), privateKey) }),
  }
}

export function cosignatureSigner(name: string, privateKey: KeyObject): Cosigner {
  const key = verifierKeyOf(name, SIGNATURE_TYPE.cosignature, privateKey)
  return {
    key,
    cosign: (text, timestampS) => {
      if (!Number.isSafeInteger(timestampS) || timestampS <= 0) throw new RangeError(`${timestampS} is no time`)
      const timestamp = Buffer.alloc(TIMESTAMP_BYTES)
      timestamp.writeBigUInt64BE(BigInt(timestampS))
      const signature = sign(null, encodeUtf8(cosignedMessage(assertText(text), timestampS)), privateKey)
      return { name, keyId: key.keyId, signature: Buffer.concat([timestamp, signature]) }
    },
  }
}

/** The header separates it from every note: no note's first line can be read as one. */
function cosignedMessage(text: string, timestampS: number): string {
  return `cosignature/v1\ntime ${timestampS}\n${text}`
}

function assertType(key: VerifierKey, type: number): VerifierKey {
  if (key.type !== type) throw new TypeError(`The key "${key.name}" has the signature type ${key.type}, not ${type}`)
  return key
}

function assertText(text: string): string {
  if (!isNoteText(text)) throw malformed('text to sign', 'it does not end in a newline, or has a control character')
  return text
}
