// SPDX-License-Identifier: Apache-2.0

/** Of one shipment. */
export const RECORDS_MAX = 10_000

/** Consecutive records of one source, as they are shipped. */
export interface Shipment {
  readonly source: string
  /** Sequence number of the first one; the source's very first record has 1. */
  readonly first: number
  readonly records: readonly Uint8Array[]
}

/**
 * Brings a shipment to the receiver. Resolves with the sequence number that the receiver waits for next, once everything before it is durable there;
 * rejects when that is not known.
 */
export type Transport = (shipment: Shipment) => Promise<number>

/** Where the receiving side keeps records. Calls for one source never overlap. */
export interface ShipmentSink {
  /** What it waits for next; 1 for a source that it does not know. */
  next(source: string): Promise<number>
  /** `lost`: sequence numbers before `first` that never come. Resolves when all of it is durable, the new next number with it. */
  store(arrival: Shipment & { readonly lost: { readonly first: number; readonly last: number } | null }): Promise<void>
}
