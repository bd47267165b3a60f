// SPDX-License-Identifier: Apache-2.0
import type { JournalPosition } from './journal-position.ts'

/** The fields that are asked for; see systemd.journal-fields(7). Those that begin with _ are journald's own word, the others the sender's. */
export const JOURNAL_FIELDS = [
  'MESSAGE',
  'MESSAGE_ID',
  'PRIORITY',
  'SYSLOG_FACILITY',
  'SYSLOG_IDENTIFIER',
  'UNIT',
  'COREDUMP_PID',
  'COREDUMP_UID',
  'COREDUMP_CGROUP',
  '_TRANSPORT',
  '_PID',
  '_UID',
  '_COMM',
  '_SYSTEMD_CGROUP',
  '_SYSTEMD_UNIT',
] as const

type Field = (typeof JOURNAL_FIELDS)[number]

export interface JournalEntry {
  readonly at: Date
  readonly position: JournalPosition
  /** Empty where the entry does not have it, or where it is longer than journalctl writes out (4096 bytes). */
  readonly field: (name: Field) => string
}

/** A line of `journalctl --output=json`; null for what is none. */
export function parseJournalEntry(line: string): JournalEntry | null {
  const fields = parseObject(line)
  if (fields === null) return null
  const cursor = /^s=([0-9a-f]{32});i=([0-9a-f]{1,13});/.exec(textOf(fields['__CURSOR']))
  const atMs = Number(textOf(fields['__REALTIME_TIMESTAMP'])) / 1000
  if (cursor === null || !(atMs > 0 && atMs < MS_MAX)) return null
  const [, id = '', number = ''] = cursor
  return { at: new Date(atMs), position: { id, number: Number.parseInt(number, 16) }, field: (name) => textOf(fields[name]) }
}

/** The last that a `Date` can be. */
const MS_MAX = 8.64e15

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
  } catch {
    return null // The only thing that it throws: the text is no JSON.
  }
}

/** A field is a text, bytes where it is not UTF-8, or a list of both where the entry has several. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value) || value.length === 0) return ''
  if (value.every((byte) => Number.isInteger(byte))) return Buffer.from(value).toString()
  return textOf(value[0])
}
