// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, parseEntry, readEntries, SOURCE_CLOSED, SOURCE_OPENED, type TileSource } from '@sallyport/audit-log'
import { createRunStore, StoreError } from '@sallyport/store'
import type { ShownEntry } from './contract.ts'

/** Entries of the log that are well-formed and ours, in order. @throws AuditLogError as `readEntries` does. */
export async function* entriesOf(source: TileSource, size: number, from = 0, to: number = size): AsyncGenerator<ShownEntry> {
  for await (const { index, bytes } of readEntries(source, { size, from, to })) yield { index, entry: parseEntry(bytes) }
}

/** Null where the tree has no such entry. @throws AuditLogError as `readEntries` does. */
export async function entryOf(source: TileSource, size: number, index: number): Promise<ShownEntry | null> {
  if (index >= size) return null
  for await (const shown of entriesOf(source, size, index, index + 1)) return shown
  return null
}

/** What the document of a run says about where its entries stand: not to be believed before they were read. */
export interface RunClaim {
  readonly run: string
  readonly origin: string
  /** Its `source.opened`. */
  readonly first: number
  /** Its `source.closed`. */
  readonly last: number
}

/** Null for a document that says nothing, or nothing that makes sense. */
export function claimOf(run: string, document: Readonly<Record<string, unknown>> | null): RunClaim | null {
  const { origin, first, last } = (document?.['log'] ?? {}) as Record<string, unknown>
  if (typeof origin !== 'string' || !isIndex(first) || !isIndex(last) || first >= last) return null
  return { run, origin, first, last }
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Of a run of this state directory: where its own record says that it stands. Null without a record. @throws StoreError RUN_AMBIGUOUS */
export async function findClaim(stateDirectory: string, run: string): Promise<RunClaim | null> {
  try {
    const { id, document } = await createRunStore(stateDirectory).open(run)
    return claimOf(id, document)
  } catch (error) {
    if (error instanceof StoreError && error.code !== 'RUN_AMBIGUOUS') return null
    throw error
  }
}

/** Whether it is the entry that begins the run, or that ends it and counts all of it. */
export function isEndOf(run: string, which: 'first' | 'last', entry: LogEntry | undefined): boolean {
  if (entry?.source !== `run/${run}`) return false
  if (which === 'first') return entry.type === SOURCE_OPENED && entry.seq === 1
  return entry.type === SOURCE_CLOSED && entry.data?.['events'] === entry.seq
}
