// SPDX-License-Identifier: Apache-2.0
import { malformed } from './audit-log-error.ts'
import type { Hash } from './contract.ts'
import { type Note, parseNote } from './note/note.ts'
import { decodeUtf8, formatBase64, parseHash } from './text.ts'

/** A tree of 2^63 entries has no longer proof. */
export const PROOF_HASHES_MAX = 63

/** Of documents that are lines, an empty line, and a checkpoint (tlog-proof, add-checkpoint). */
export interface HeadedNote {
  readonly lines: readonly string[]
  readonly note: Note
  /** The note as it was sent. */
  readonly noteBytes: Uint8Array
}

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseHeadedNote(what: string, bytes: Uint8Array, headBytesMax: number): HeadedNote {
  const head = Math.min(bytes.length, headBytesMax)
  const split = indexOfEmptyLine(bytes.subarray(0, head))
  if (split < 0) throw malformed(what, `no empty line within ${headBytesMax} bytes`)
  const text = decodeUtf8(bytes.subarray(0, split))
  if (text === null) throw malformed(what, 'it is not UTF-8')
  const noteBytes = bytes.subarray(split + 2)
  return { lines: text.split('\n'), note: parseNote(noteBytes), noteBytes }
}

function indexOfEmptyLine(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) if (bytes[at + 1] === 0x0a) return at
  return -1
}

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseHashLines(what: string, lines: readonly string[]): Hash[] {
  if (lines.length > PROOF_HASHES_MAX) throw malformed(what, `its proof has more than ${PROOF_HASHES_MAX} hashes`)
  return lines.map((line) => {
    const hash = parseHash(line)
    if (hash === null) throw malformed(what, 'a line of its proof is no hash')
    return hash
  })
}

export function formatHashLines(hashes: readonly Hash[]): string {
  return hashes.map((hash) => `${formatBase64(hash)}\n`).join('')
}
