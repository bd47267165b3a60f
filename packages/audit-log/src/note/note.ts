// SPDX-License-Identifier: Apache-2.0
// C2SP signed-note: text, an empty line, and a line for each signature.
import { Buffer } from 'node:buffer'
import { malformed } from '../audit-log-error.ts'
import { decodeUtf8, encodeUtf8, formatBase64, parseBase64 } from '../text.ts'

/** As in golang.org/x/mod/sumdb/note. The specification wants at least 16 to be taken. */
export const NOTE_SIGNATURES_MAX = 100
/** 100 signatures of the largest kind that is assigned (ML-DSA-44) and text. */
export const NOTE_BYTES_MAX = 1_000_000

/** Its text means nothing until `openNote` has found a trusted key's signature. */
export interface Note {
  /** Ends in a newline; what is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export interface NoteSignature {
  readonly name: string
  /** First four bytes of a hash over name and key, big endian. */
  readonly keyId: number
  readonly signature: Uint8Array
}

const WHAT = 'signed note'
const KEY_ID_BYTES = 4

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > NOTE_BYTES_MAX) throw malformed(WHAT, `it is longer than ${NOTE_BYTES_MAX} bytes`)
  const note = decodeUtf8(bytes)
  if (note === null) throw malformed(WHAT, 'it is not UTF-8')
  if (/[\0-\x09\x0b-\x1f]/.test(note)) throw malformed(WHAT, 'it has a control character')
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw malformed(WHAT, 'no empty line separates text and signatures')
  return { text: note.slice(0, split + 1), signatures: parseSignatureLines(note.slice(split + 2)) }
}

/** At least one line, each ended by a newline. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseSignatureLines(lines: string): NoteSignature[] {
  if (!lines.endsWith('\n')) throw malformed(WHAT, 'its last line is not a whole signature line')
  const list = lines.slice(0, -1).split('\n')
  if (list.length > NOTE_SIGNATURES_MAX) throw malformed(WHAT, `it has more than ${NOTE_SIGNATURES_MAX} signatures`)
  return list.map(parseSignatureLine)
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, encoded] = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? []
  if (name === undefined || encoded === undefined || !isKeyName(name)) throw malformed(WHAT, 'a line is no signature line')
  const bytes = parseBase64(encoded)
  if (bytes === null || bytes.length <= KEY_ID_BYTES) throw malformed(WHAT, 'a signature is not base64 of a key id and more')
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(KEY_ID_BYTES) }
}

/** @throws AuditLogError `AUDIT_LOG_MALFORMED`: what it would print could not be read back. */
export function formatNote({ text, signatures }: Note): Uint8Array {
  if (!isNoteText(text)) throw malformed(WHAT, 'its text does not end in a newline, or has a control character')
  if (signatures.length === 0) throw malformed(WHAT, 'it has no signature')
  return encodeUtf8(`${text}\n${formatSignatureLines(signatures)}`)
}

export function formatSignatureLines(signatures: readonly NoteSignature[]): string {
  if (signatures.length > NOTE_SIGNATURES_MAX) throw malformed(WHAT, `it has more than ${NOTE_SIGNATURES_MAX} signatures`)
  return signatures.map(formatSignatureLine).join('')
}

function formatSignatureLine({ name, keyId, signature }: NoteSignature): string {
  if (!isKeyName(name) || signature.length === 0) throw malformed(WHAT, 'a signature has no name that a key can have, or is empty')
  const bytes = Buffer.alloc(KEY_ID_BYTES + signature.length)
  bytes.writeUInt32BE(keyId)
  bytes.set(signature, KEY_ID_BYTES)
  return `— ${name} ${formatBase64(bytes)}\n`
}

/** Whether it can be signed: ends in a newline, well-formed Unicode, no control character but newline. */
export function isNoteText(text: string): boolean {
  return text.endsWith('\n') && text.isWellFormed() && !/[\0-\x09\x0b-\x1f]/.test(text)
}

/** Not empty, without Unicode spaces (the property White_Space), plus and control characters. */
export function isKeyName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\p{White_Space}+\0-\x1f]/u.test(name)
}
