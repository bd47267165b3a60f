// SPDX-License-Identifier: Apache-2.0
// What the log is made of, and the ports through which it is read, signed and witnessed.
import type { VerifierKey } from './note/verifier-key.ts'

/** SHA-256: 32 bytes. */
export type Hash = Uint8Array

/** What a checkpoint commits to. */
export interface TreeHead {
  /** Number of entries; a safe integer. */
  readonly size: number
  readonly root: Hash
}

/** A checkpoint (C2SP tlog-checkpoint) without its signatures. */
export interface Checkpoint extends TreeHead {
  /** Names the log, for good: `example.com/log`. */
  readonly origin: string
  /** Opaque lines after the root; ours has none. */
  readonly extensions: readonly string[]
}

/**
 * The files of a tlog-tiles tree, by their specified path relative to the log's prefix: `checkpoint`, `tile/0/x001/234`,
 * `tile/entries/000.p/17`.
 *
 * `read` may be called concurrently. It answers null when there is no such file, and throws when it cannot tell. What it
 * answers is untrusted: whoever calls checks lengths and hashes.
 */
export interface TileSource {
  read(path: string): Promise<Uint8Array | null>
}

/** Hashes of complete subtrees: `hash(level, index)` is the root of the entries `[index * 2^level, (index + 1) * 2^level)`. */
export interface HashReader {
  hash(level: number, index: number): Promise<Hash>
}

/** A step from the tree that somebody remembers to a larger one (or the same one: then `proof` is empty). */
export interface Growth {
  readonly oldSize: number
  /** Consistency proof (RFC 6962, 2.1.2) from `oldSize`; empty where that is 0. */
  readonly proof: readonly Hash[]
  readonly head: TreeHead
}

/**
 * Whoever holds the log's key, in a process of its own.
 *
 * `sign` remembers (size, root) durably before it signs, and signs nothing that is not proven to grow from what it
 * remembers: no size is ever signed with two roots. It rejects otherwise, and then has remembered and signed nothing.
 */
export interface CheckpointSigner {
  readonly origin: string
  /** What it remembers; null before the first signature. */
  latest(): Promise<TreeHead | null>
  /** The signed note, as it stands in the file `checkpoint`. */
  sign(growth: Growth): Promise<Uint8Array>
}

/**
 * The sizes that one key of the log signs. At a rotation the old key signs a last checkpoint, the seal, and the new key signs
 * from that size on: whoever has only the new key cannot change what was sealed.
 */
export interface KeyEpoch {
  readonly key: VerifierKey
  readonly firstSize: number
  /** Null: the epoch of today. */
  readonly lastSize: number | null
  /** The signed checkpoint of `lastSize` by this key; null in the epoch of today. */
  readonly seal: Uint8Array | null
}

/** One event, as it stands in the log: a leaf is the canonical JSON of this, at most `ENTRY_BYTES_MAX` bytes. */
export interface LogEntry {
  readonly v: 1
  /** Wall clock, ISO 8601 with milliseconds, UTC. Information only: order is the index, and `seq` within a source. */
  readonly at: string
  /** Who says so: `run/20261129-1402-abcd`, `host/kernel`, `log`. */
  readonly source: string
  /** Starts at 1 for each source and has no gaps. */
  readonly seq: number
  /** `area.fact` in lower case. */
  readonly type: string
  readonly job?: string
  readonly step?: string
  readonly data?: Readonly<Record<string, unknown>>
  /** Stands for a payload beside the log. */
  readonly private?: Commitment
}

/** A payload that can be erased: without salt and payload nothing can be learned from what stays in the log. */
export interface Commitment {
  /** Base64 of SHA-256(salt ‖ payload). */
  readonly commitment: string
  /** Length of the payload. */
  readonly bytes: number
}

/** `data` of a source's last entry, type `source.closed`: with it a verifier finds events that never came into the log. */
export interface SourceClosed {
  /** Entries of the source, this one among them; so it is the entry's own `seq`. */
  readonly events: number
  /** What the source could not record, by reason. */
  readonly dropped: Readonly<Record<string, number>>
}

/** `data` of a job's last entry in its source, type `job.closed`. */
export interface JobClosed {
  /** Entries of the source with this `job`, this one among them. */
  readonly events: number
}
