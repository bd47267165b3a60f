// SPDX-License-Identifier: Apache-2.0
import type { TreeHead } from '@sallyport/audit-log'

/** What a request to add a checkpoint comes to. The numbers are HTTP statuses of C2SP tlog-witness. */
export type AddAnswer =
  /** Lines of a note, each ended by a newline. */
  | { readonly status: 200; readonly cosignatures: string }
  /** The size that the next request has to start from. */
  | { readonly status: 409; readonly size: number }
  | AddRefusal

export interface AddRefusal {
  /** 400 malformed, 403 no trusted signature, 404 unknown log, 422 not consistent with what was cosigned before. */
  readonly status: 400 | 403 | 404 | 422
  readonly reason: string
}

/** Two checkpoints of one size that the log's key has signed, with different roots: proof that the log shows two views. */
export interface Fork {
  readonly origin: string
  readonly cosigned: TreeHead
  /** The other one, as it was sent. */
  readonly checkpoint: Uint8Array
}

/** Where a witness keeps the latest checkpoint of each log. Calls for one name do not overlap. */
export interface RecordFiles {
  /** Null where there is none. */
  read(name: string): Promise<Uint8Array | null>
  /** Resolves when `bytes` have replaced what was there, in one step and durably. When it rejects, either may be there. */
  write(name: string, bytes: Uint8Array): Promise<void>
}
