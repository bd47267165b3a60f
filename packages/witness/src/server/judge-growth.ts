// SPDX-License-Identifier: Apache-2.0
import { type AddCheckpoint, emptyRoot, equalHashes, type TreeHead, verifyConsistency } from '@sallyport/audit-log'
import type { AddAnswer } from './contract.ts'

const NOTHING: TreeHead = { size: 0, root: emptyRoot() }

/**
 * The checks of C2SP tlog-witness, in its order, of a checkpoint that its log has signed. `latest` is what was cosigned before. Null:
 * nothing speaks against it.
 */
export function judgeGrowth(
  { oldSize, proof }: AddCheckpoint,
  head: TreeHead,
  latest: TreeHead | null,
): Exclude<AddAnswer, { status: 200 }> | null {
  const old = latest ?? NOTHING
  if (oldSize > head.size) return { status: 400, reason: 'the old size is larger than the size of the checkpoint' }
  if (oldSize !== old.size) return { status: 409, size: old.size }
  if (head.size === 0 && !equalHashes(head.root, emptyRoot())) return inconsistent('size 0 with a root that is not that of the empty tree')
  if (oldSize === 0) return proof.length === 0 ? null : inconsistent('a proof from the empty tree has to be empty')
  return verifyConsistency({ old, head, proof })
    ? null
    : inconsistent('the proof does not show that the tree has grown from the one cosigned before')
}

function inconsistent(reason: string): { readonly status: 422; readonly reason: string } {
  return { status: 422, reason }
}
