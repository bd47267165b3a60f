// SPDX-License-Identifier: Apache-2.0
import { type Note, parseCheckpoint, parseNote } from '@sallyport/audit-log'

/** A checkpoint with its log's signature, on its way to witnesses. */
export interface SubmittedCheckpoint {
  readonly bytes: Uint8Array
  readonly note: Note
  readonly size: number
}

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseSubmittedCheckpoint(bytes: Uint8Array): SubmittedCheckpoint {
  const note = parseNote(bytes)
  return { bytes, note, size: parseCheckpoint(note.text).size }
}
