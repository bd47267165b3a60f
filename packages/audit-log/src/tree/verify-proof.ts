// SPDX-License-Identifier: Apache-2.0
// Checks of proofs, step by step as in RFC 9162, sections 2.1.3.2 and 2.1.4.2, and in draft-ietf-plants-merkle-tree-certs-03,
// sections 4.3 and 4.4, of which those are the case `start` 0. Everything but the roots that the caller trusts is untrusted.
import type { Hash, TreeHead } from '../contract.ts'
import { emptyRoot, equalHashes, isHash, nodeHash } from './hash.ts'
import { isSubtree } from './subtree.ts'

export interface InclusionClaim {
  readonly leaf: Hash
  readonly index: number
  readonly head: TreeHead
  readonly proof: readonly Hash[]
}

/** Whether the tree `head` has `leaf` at `index`. */
export function verifyInclusion({ leaf, index, head, proof }: InclusionClaim): boolean {
  return verifySubtreeInclusion({ leaf, index, subtree: { start: 0, end: head.size, root: head.root }, proof })
}

export interface ConsistencyClaim {
  readonly old: TreeHead
  readonly head: TreeHead
  readonly proof: readonly Hash[]
}

/**
 * Whether `head` is `old` with entries appended. From the empty tree every tree grows, which no proof can show: that is
 * false here (unless both are empty), and the caller's own rule.
 */
export function verifyConsistency({ old, head, proof }: ConsistencyClaim): boolean {
  if (old.size === 0 && (head.size !== 0 || !equalHashes(head.root, emptyRoot()))) return false
  // The empty proof between equal sizes shows nothing about the roots by itself
  if (old.size === head.size && !equalHashes(old.root, head.root)) return false
  return verifySubtreeConsistency({ subtree: { start: 0, end: old.size, root: old.root }, head, proof })
}

/** The entries `[start, end)` and their root. */
export interface Subtree {
  readonly start: number
  readonly end: number
  readonly root: Hash
}

export interface SubtreeInclusionClaim {
  readonly leaf: Hash
  readonly index: number
  readonly subtree: Subtree
  readonly proof: readonly Hash[]
}

export function verifySubtreeInclusion({ leaf, index, subtree, proof }: SubtreeInclusionClaim): boolean {
  const { start, end, root } = subtree
  if (!isSubtree(start, end) || !Number.isSafeInteger(index) || index < start || index >= end) return false
  if (!isHash(leaf) || !proof.every(isHash)) return false
  let node = index - start
  let last = end - start - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)]
    } else hash = nodeHash(hash, sibling)
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalHashes(hash, root)
}

export interface SubtreeConsistencyClaim {
  readonly subtree: Subtree
  readonly head: TreeHead
  readonly proof: readonly Hash[]
}

export function verifySubtreeConsistency({ subtree, head, proof }: SubtreeConsistencyClaim): boolean {
  const { start, end, root } = subtree
  if (!isSubtree(start, end) || !Number.isSafeInteger(head.size) || end > head.size) return false
  if (start === end) return proof.length === 0 && equalHashes(root, emptyRoot())
  if (start === 0 && end === head.size) return proof.length === 0 && equalHashes(root, head.root)
  if (!isHash(root) || !proof.every(isHash)) return false
  return walkConsistency({ subtree, head, proof })
}

function walkConsistency({ subtree, head, proof }: SubtreeConsistencyClaim): boolean {
  let [first, last, tree] = [subtree.start, subtree.end - 1, head.size - 1]
  const shift = (): void => {
    ;[first, last, tree] = [half(first), half(last), half(tree)]
  }
  while (first !== last && (last === tree || isOdd(last))) shift()
  const [given, ...rest] = proof
  const isWhole = first === last
  const seed = isWhole ? subtree.root : given
  if (seed === undefined) return false
  let [subtreeRoot, treeRoot] = [seed, seed]
  for (const hash of isWhole ? proof : rest) {
    if (tree === 0) return false
    if (isOdd(last) || last === tree) {
      if (first < last) subtreeRoot = nodeHash(hash, subtreeRoot)
      treeRoot = nodeHash(hash, treeRoot)
      while (!isOdd(last) && last !== 0) shift()
    } else treeRoot = nodeHash(treeRoot, hash)
    shift()
  }
  return tree === 0 && equalHashes(subtreeRoot, subtree.root) && equalHashes(treeRoot, head.root)
}

/** Sizes pass 32 bits, where the operators for bits end. */
function half(value: number): number {
  return Math.floor(value / 2)
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}
