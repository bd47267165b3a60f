// SPDX-License-Identifier: Apache-2.0
// C2SP tlog-checkpoint: a note whose text is origin, size, root, and lines that we neither write nor read.
import { malformed } from './audit-log-error.ts'
import type { Checkpoint } from './contract.ts'
import { isNoteText } from './note/note.ts'
import { formatBase64, parseDecimal, parseHash } from './text.ts'
import { isHash } from './tree/hash.ts'

const WHAT = 'checkpoint'

/** `text`: that of a note, whose signatures the caller checks. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseCheckpoint(text: string): Checkpoint {
  if (!isNoteText(text)) throw malformed(WHAT, 'its text is no text of a note')
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.slice(0, -1).split('\n')
  if (origin === '') throw malformed(WHAT, 'it has no origin')
  const size = parseDecimal(sizeText)
  if (size === null) throw malformed(WHAT, 'its second line is no size')
  const root = parseHash(rootText)
  if (root === null) throw malformed(WHAT, 'its third line is no root hash')
  if (extensions.includes('')) throw malformed(WHAT, 'it has an empty line')
  return { origin, size, root, extensions }
}

/** The text to sign. @throws AuditLogError `AUDIT_LOG_MALFORMED`: what it would print could not be read back. */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, String(size), formatBase64(root), ...extensions]
  const isSound = Number.isSafeInteger(size) && size >= 0 && isHash(root)
  const text = `${lines.join('\n')}\n`
  if (!isSound || lines.some((line) => line === '' || line.includes('\n')) || !isNoteText(text))
    throw malformed(WHAT, 'what is to be printed is none')
  return text
}
