// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** How far a journal is: journald counts its entries in one row, over all files that it writes. */
export interface JournalPosition {
  /** Of the row, hexadecimal. */
  readonly id: string
  readonly number: number
}

const DIRECTORIES = ['/run/log/journal', '/var/log/journal'] as const
const FILES_MAX = 64
/** As far as it is looked into; see "Header" in systemd's Journal File Format. */
const HEADER_BYTES = 208
const SIGNATURE = 'LPKSHHRH'
const SEQNUM_ID_AT = 72
const TAIL_SEQNUM_AT = 160

/** Null: there is no journal here. A file that is none is passed over. */
export function readJournalPosition(directories: readonly string[] = journalDirectories()): JournalPosition | null {
  const positions = directories.flatMap(filesIn).slice(0, FILES_MAX).map(readHeader)
  let last: JournalPosition | null = null
  for (const position of positions) if (position !== null && position.number >= (last?.number ?? 0)) last = position
  return last
}

function journalDirectories(): readonly string[] {
  const machine = readMachineId()
  return machine === null ? [] : DIRECTORIES.map((directory) => join(directory, machine))
}

function readMachineId(): string | null {
  try {
    return /^[0-9a-f]{32}$/m.exec(readFileSync('/etc/machine-id', 'latin1'))?.[0] ?? null
  } catch {
    return null // A host without one has no journal.
  }
}

/** Those that are being written: names of archived ones hold an @. */
function filesIn(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.journal') && !name.includes('@'))
    return names.map((name) => join(directory, name))
  } catch {
    return [] // No journal there.
  }
}

function readHeader(path: string): JournalPosition | null {
  const header = Buffer.alloc(HEADER_BYTES)
  try {
    const fd = openSync(path, 'r')
    try {
      if (readSync(fd, header) < HEADER_BYTES) return null
    } finally {
      closeSync(fd)
    }
  } catch {
    return null // Renamed in between, or not for us.
  }
  if (header.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) return null
  const number = Number(header.readBigUInt64LE(TAIL_SEQNUM_AT))
  return { id: header.toString('hex', SEQNUM_ID_AT, SEQNUM_ID_AT + 16), number }
}
