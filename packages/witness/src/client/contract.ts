// SPDX-License-Identifier: Apache-2.0
import type { Hash, NoteSignature } from '@sallyport/audit-log'

/** The consistency proof to the checkpoint that is submitted, from a smaller tree. */
export type Prove = (oldSize: number) => Promise<readonly Hash[]>

/** What became of asking one witness. */
export type WitnessOutcome =
  | { readonly kind: 'cosigned'; readonly witness: string; readonly signature: NoteSignature; readonly timestampS: number }
  /** It will not cosign this checkpoint: it says that it is not consistent (422), or does not know the log. */
  | { readonly kind: 'refused'; readonly witness: string; readonly reason: string }
  /** It knows this log, and no key of it that has signed this checkpoint (403). */
  | { readonly kind: 'unknown-key'; readonly witness: string; readonly reason: string }
  /** It has cosigned a larger tree of this log: the log was rolled back, or somebody else publishes it, too. */
  | { readonly kind: 'ahead'; readonly witness: string; readonly size: number; readonly reason: string }
  /** No usable answer in time. */
  | { readonly kind: 'failed'; readonly witness: string; readonly reason: string }

export interface WitnessTimes {
  /** For one request. */
  readonly requestMs: number
  /** For all requests to one witness about one checkpoint. */
  readonly totalMs: number
  /** Before the second request; doubled before each one after it. */
  readonly retryMs: number
  /** How far the time in a cosignature may be from ours. */
  readonly clockSkewS: number
}

export const WITNESS_TIMES: WitnessTimes = { requestMs: 5000, totalMs: 15_000, retryMs: 100, clockSkewS: 300 }
