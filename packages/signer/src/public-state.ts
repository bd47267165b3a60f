// SPDX-License-Identifier: Apache-2.0
import type { RotatedEpoch, TreeHead } from '@sallyport/audit-log'
import { parseEpoch } from './epoch.ts'
import { readSignerState, statePath } from './signer-state.ts'

/** What a signer has written down and anybody may know. */
export interface PublicState {
  readonly origin: string
  /** The tree that it signed last, or would have but for a crash. */
  readonly latest: TreeHead | null
  readonly epochs: readonly RotatedEpoch[]
  /** Verifier key that the next rotation brings in; null: none is prepared. */
  readonly next: string | null
}

/** Without a signer, also while one works. Null where there never was one. @throws SignerError SIGNER_DAMAGED; AuditLogError for a key that is none. */
export async function readPublicState(directory: string): Promise<PublicState | null> {
  const state = await readSignerState(statePath(directory))
  return state === null ? null : { ...state, epochs: state.epochs.map(parseEpoch) }
}
