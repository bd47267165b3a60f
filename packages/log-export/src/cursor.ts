// SPDX-License-Identifier: Apache-2.0
import { isAbsolute, join } from 'node:path'
import { readWhole, writeFileDurably } from '@sallyport/store'
import type { ExportTotals } from './contract.ts'
import { ExportError } from './export-error.ts'

/** How far a log was exported to one target. */
export interface Cursor extends ExportTotals {
  /** Of the log. */
  readonly origin: string
  /** Index of the first entry that the target is not known to have. */
  readonly next: number
  /** Leaf hash (hex) of the entry before `next`: that it is still there shows that the log is still this one. Null before the first. */
  readonly lastLeaf: string | null
}

const CURSOR_BYTES_MAX = 64 * 1024

export function firstCursor(origin: string): Cursor {
  return { origin, next: 0, lastLeaf: null, delivered: 0, refused: 0, shortened: 0, missing: 0 }
}

/** `name`: a plain word that names the target. */
export function cursorPath(directory: string, name: string): string {
  if (!isAbsolute(directory) || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) throw new TypeError(`"${name}" in "${directory}" names no cursor`)
  return join(directory, `${name}.json`)
}

/** The caller holds the lock of the target: the next one to write takes what a crash left. */
export async function writeCursor(path: string, cursor: Cursor): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify(cursor)}\n`, `${path}.new`)
}

/** Null where there is none. @throws ExportError EXPORT_OTHER_LOG when it is not what an export writes */
export async function readCursor(path: string): Promise<Cursor | null> {
  const bytes = await readWhole(path, CURSOR_BYTES_MAX)
  if (bytes === null) return null
  const value = parse(bytes.toString('utf8'))
  if (!isCursor(value)) throw new ExportError('EXPORT_OTHER_LOG', `Cannot use "${path}": it is no cursor that an export has written`)
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Refused by the caller, with its path
    return null
  }
}

function isCursor(value: unknown): value is Cursor {
  if (typeof value !== 'object' || value === null) return false
  const { origin, next, lastLeaf, delivered, refused, shortened, missing } = value as Record<string, unknown>
  const counts = [next, delivered, refused, shortened, missing]
  return (
    typeof origin === 'string' &&
    (lastLeaf === null || typeof lastLeaf === 'string') &&
    counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  )
}
