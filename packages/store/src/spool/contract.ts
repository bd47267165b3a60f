// SPDX-License-Identifier: Apache-2.0
import type { Hash } from '@sallyport/audit-log'

/** Of one shipment. */
export const RECORDS_MAX = 10_000
/** Of the records of one shipment, without their lengths. */
export const SHIPMENT_BYTES_MAX: number = 4 * 2 ** 20

/** A record that was there before: with it the receiver sees whether both have the same past. */
export interface RecordLink {
  readonly number: number
  /** Leaf hash (RFC 6962) of the record. */
  readonly hash: Hash
}

/** Consecutive records of one source, as they are shipped. */
export interface Shipment {
  /** `NAME/ID`: the spool's name, and which of its spools it is. */
  readonly source: string
  /** Sequence number of the first one; a source's very first record has 1. */
  readonly first: number
  /** The last record before `first` that was not lost; null where there never was one, or the spool does not know it. */
  readonly previous: RecordLink | null
  /** None: those before `first` were lost, and nothing has followed yet. */
  readonly records: readonly Uint8Array[]
}

/** What a receiver says to a shipment. */
export interface Receipt {
  /** The number that it waits for; everything before it is durable there, or stands in a gap. */
  readonly next: number
  /** Records that it did not take, and never will: each stands in a gap. */
  readonly refused: number
  /** Why the first of them was refused; null where none was. */
  readonly reason: string | null
}

/**
 * Brings a shipment to the receiver. Rejects when it is not known whether it came; an error with `retryAfterMs` (a number) says how long the
 * receiver asked to be left alone.
 */
export type Transport = (shipment: Shipment, signal: AbortSignal) => Promise<Receipt>
