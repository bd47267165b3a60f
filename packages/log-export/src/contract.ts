// SPDX-License-Identifier: Apache-2.0
import type { LogEntry } from '@sallyport/audit-log'

/** An entry on its way out. What jobs wrote stands in it, redacted but still chosen by them. */
export interface ExportRecord {
  /** Of the log. */
  readonly origin: string
  /** In the log: receivers find duplicates and gaps by it, and ask for proofs. */
  readonly index: number
  /** The entry as it stands in the log: its leaf hash is SHA-256 of 0x00 and this. */
  readonly leaf: Uint8Array
  /** Null for a leaf that is no entry of ours. */
  readonly entry: LogEntry | null
  /** Length of the entry's `data` as JSON, where it was left out of `entry` since the target takes no record of this length; else 0. */
  readonly omittedDataBytes: number
}

/** What became of records that a target was given; all others it has taken. */
export interface Delivery {
  /** Those that it will never take, with its reason. They are counted, and not sent again. */
  readonly refused: readonly { readonly index: number; readonly reason: string }[]
  /** Those that were sent without their `data`, since they are longer than it takes. */
  readonly shortened: number
}

/**
 * Where a log is exported to.
 *
 * `deliver` resolves when the receiver has the records, as far as its protocol can tell, and rejects when that is not known: the same
 * records come again then. It never holds records beyond the call. Calls do not overlap.
 */
export interface ExportTarget {
  deliver(records: readonly ExportRecord[], signal: AbortSignal): Promise<Delivery>
}

/** What was exported, since the cursor was made. */
export interface ExportTotals {
  readonly delivered: number
  readonly refused: number
  readonly shortened: number
  /** Entries that were not there any more when their turn came: pruned, or lost. */
  readonly missing: number
}

/** Where an export stands: `size - next` entries wait. */
export interface ExportProgress extends ExportTotals {
  readonly next: number
  readonly size: number
  /** Why nothing moves at the moment; null when it does. */
  readonly failure: string | null
}
