// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, parseEntry, readEntries, type TileSource } from '@sallyport/audit-log'

/** Entries of the log that are well-formed and ours, in order. @throws AuditLogError as `readEntries` does. */
export async function* entriesOf(source: TileSource, size: number, from = 0): AsyncGenerator<{ index: number; entry: LogEntry }> {
  for await (const { index, bytes } of readEntries(source, { size, from, to: size })) yield { index, entry: parseEntry(bytes) }
}
