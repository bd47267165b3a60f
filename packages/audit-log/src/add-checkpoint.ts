// SPDX-License-Identifier: Apache-2.0
// The request of C2SP tlog-witness: the size that the witness has, a consistency proof from it, and the new checkpoint.
import { Buffer } from 'node:buffer'
import { malformed } from './audit-log-error.ts'
import type { Hash } from './contract.ts'
import { formatHashLines, PROOF_HASHES_MAX, parseHashLines, parseHeadedNote } from './lines.ts'
import { NOTE_BYTES_MAX, type Note } from './note/note.ts'
import { encodeUtf8, parseDecimal } from './text.ts'

export interface AddCheckpoint {
  readonly oldSize: number
  readonly proof: readonly Hash[]
  /** The signed checkpoint, as it was sent. */
  readonly checkpoint: Uint8Array
}

const WHAT = 'request to add a checkpoint'
const HEAD_BYTES_MAX = 64 + PROOF_HASHES_MAX * 45

/** For the one who reads a body: more is none. */
export const ADD_CHECKPOINT_BYTES_MAX: number = HEAD_BYTES_MAX + NOTE_BYTES_MAX

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseAddCheckpoint(bytes: Uint8Array): AddCheckpoint & { readonly note: Note } {
  const { lines, note, noteBytes } = parseHeadedNote(WHAT, bytes, HEAD_BYTES_MAX)
  const [first = '', ...hashes] = lines
  const oldSize = first.startsWith('old ') ? parseDecimal(first.slice('old '.length)) : null
  if (oldSize === null) throw malformed(WHAT, 'its first line is not "old" and a size')
  return { oldSize, proof: parseHashLines(WHAT, hashes), checkpoint: noteBytes, note }
}

export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): Uint8Array {
  return Buffer.concat([encodeUtf8(`old ${oldSize}\n${formatHashLines(proof)}\n`), checkpoint])
}
