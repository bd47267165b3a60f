// SPDX-License-Identifier: Apache-2.0
import type { CheckpointSigner, Hash, TileSource, TreeHead } from '@sallyport/audit-log'

/** Has the witnesses of a policy sign, too. */
export interface CheckpointCosigner {
  /**
   * Answers with the note and the cosignatures that the policy asks for; rejects when it does not get them. `prove` gives the
   * consistency proof from any smaller tree that a witness remembers.
   */
  cosign(checkpoint: Uint8Array, prove: (oldSize: number) => Promise<readonly Hash[]>): Promise<Uint8Array>
}

export interface TransparencyLogOptions {
  readonly signer: CheckpointSigner
  /** Null: a checkpoint is published with the log's own signature alone. */
  readonly cosigner: CheckpointCosigner | null
  /** How long another writer may hold the log before opening it fails with LOG_LOCKED. */
  readonly lockWaitMs: number
}

/** A checkpoint with the log's own signature: witnesses can be asked for theirs while others write to the log. */
export interface SignedCheckpoint extends TreeHead {
  readonly note: Uint8Array
  /** The consistency proof from a smaller tree, also once the log was closed. */
  prove(oldSize: number): Promise<readonly Hash[]>
}

/** Where a call's entries stand in the log. */
export interface Appended {
  readonly first: number
  readonly last: number
}

/**
 * A log that this process writes: `DIR/log/` is a C2SP tlog-tiles tree that anybody may read, the rest of `DIR` is the writer's.
 *
 * A failure of the storage is final: every later call rejects with it, and opening the log again repairs what a crash or a full
 * disk left behind. A failure of signer or witnesses is not: nothing was published, and `publish` may be called again.
 */
export interface TransparencyLog extends AsyncDisposable {
  /** Durable entries, also those that no checkpoint covers yet. */
  readonly size: number
  /** What readers see; null before the first checkpoint. */
  readonly published: TreeHead | null
  /** What opening it repaired. */
  readonly recovered: { readonly entries: number; readonly tornBytes: number }
  readonly source: TileSource
  /**
   * Resolves when the entries are on stable storage, in the order of the calls, and next to each other. When the storage fails, they may be there
   * or not: whoever goes on with a source looks into the log first, once it is open again.
   * @throws StoreError EVENT_TOO_LARGE for an entry of more than 65,535 bytes, LOG_OVERLOADED when too many bytes wait: nothing of this call is recorded then, and the log goes on.
   */
  append(entries: readonly Uint8Array[]): Promise<Appended>
  /** Resolves when everything appended is durable in the tree, where `source` has it, published or not. */
  integrate(): Promise<TreeHead>
  /**
   * Makes a checkpoint of everything that is durable now, and resolves when readers see it. Calls during one share the next. Without new
   * entries it is the same tree with new cosignatures.
   */
  publish(): Promise<TreeHead>
  /**
   * The same, but for witnesses and readers: what is signed is for `publishCheckpoint`, by whoever has asked the witnesses without holding the
   * log meanwhile. A checkpoint that never comes to that is followed by one that grows from it.
   */
  sign(): Promise<SignedCheckpoint>
  /** Lets go of the lock and leaves to others to put into the tree what was appended: it is durable, and they find it when they open the log. Idempotent. */
  leave(): Promise<void>
  /** Resolves when everything appended is durable and in the tree, published or not, and lets go of the lock. */
  [Symbol.asyncDispose](): Promise<void>
}
