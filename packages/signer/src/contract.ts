// SPDX-License-Identifier: Apache-2.0
// What the supervisor and the signer say to each other, in the frame of packages/key-process. Hashes and notes are base64.

/** A `KeyEpoch` of packages/audit-log, as it stands in files and messages. */
export interface EpochMessage {
  /** C2SP signed-note: `NAME+KEYID+KEY`. */
  readonly verifierKey: string
  readonly firstSize: number
  /** Null: it is the key of today. Where one key ends the next one begins; at that size, both have signed the same root. */
  readonly lastSize: number | null
  /** The checkpoint of `lastSize` that it has signed. */
  readonly seal: string | null
  /** A note that the key before and this one have signed: whoever trusts that one can come to trust this one. Null for the first. */
  readonly rotation: string | null
}

export interface HeadMessage {
  readonly size: number
  readonly root: string
}

export type Question =
  | { readonly type: 'sign'; readonly oldSize: number; readonly proof: readonly string[]; readonly head: HeadMessage }
  | { readonly type: 'latest' }
  | { readonly type: 'epochs' }
  /** The key that the next rotation brings in, which signs nothing yet: made where there is none. */
  | { readonly type: 'prepare' }
  /** The tree that was signed last, by the prepared key: for witnesses to say whether they know it, before the old one is destroyed. */
  | { readonly type: 'try' }
  /** A new key from the tree on that was signed last; the old one is destroyed. `to`: it has to be this one, where it is not already. */
  | { readonly type: 'rotate'; readonly to: string | null }

export type Answer =
  | { readonly type: 'signed'; readonly note: string }
  | { readonly type: 'latest'; readonly head: HeadMessage | null }
  | { readonly type: 'epochs'; readonly epochs: readonly EpochMessage[] }
  | { readonly type: 'prepared'; readonly verifierKey: string }
  /** Nothing was signed and nothing changed. */
  | { readonly type: 'refused'; readonly message: string }

/** A proof has 63 hashes at most. */
export const TO_SIGNER_BYTES_MAX: number = 16 * 1024

/** A key every day for some years. */
export const FROM_SIGNER_BYTES_MAX: number = 4 * 2 ** 20
