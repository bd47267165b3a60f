// SPDX-License-Identifier: Apache-2.0
// The spellings that the C2SP formats share. Each value has exactly one: what parses is what would be printed.
import { Buffer } from 'node:buffer'
import type { Hash } from './contract.ts'
import { HASH_BYTES } from './tree/hash.ts'

/** Padded base64 of RFC 4648, section 4; null for every other spelling. */
export function parseBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

export function formatBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

export function parseHash(text: string): Hash | null {
  const bytes = parseBase64(text)
  return bytes?.length === HASH_BYTES ? bytes : null
}

/** Decimal without leading zeros. Larger than a safe integer is null, too: no log of ours gets there. */
export function parseDecimal(text: string): number | null {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** UTF-8 as it stands: no byte is replaced, no byte order mark taken away. Null when it is none. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // The only thing that it throws: the bytes are no UTF-8
    return null
  }
}

export function encodeUtf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}
