// SPDX-License-Identifier: Apache-2.0
// Proofs of RFC 6962, sections 2.1.1 and 2.1.2, and of their subtrees, written as they are defined there.
import type { Hash, HashReader } from '../contract.ts'
import { emptyRoot, nodeHash } from './hash.ts'
import { isSubtree } from './subtree.ts'

/** Hashes from the leaf's sibling to the root's child. */
export async function proveInclusion(hashes: HashReader, index: number, size: number): Promise<Hash[]> {
  if (!isSubtree(0, size) || !Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError(`No entry ${index} among ${size}`)
  return inclusionPath(hashes, index, [0, size])
}

/** From the tree of `oldSize` entries to that of `size`; empty where one of them says nothing (0) or both are the same. */
export async function proveConsistency(hashes: HashReader, oldSize: number, size: number): Promise<Hash[]> {
  if (!isSubtree(0, size) || !isSubtree(0, oldSize) || oldSize > size)
    throw new RangeError(`${oldSize} entries are no beginning of ${size}`)
  return oldSize === 0 || oldSize === size ? [] : consistencyPath(hashes, oldSize, { range: [0, size], isOldRoot: true })
}

/** The root of the first `size` entries. */
export async function rootAt(hashes: HashReader, size: number): Promise<Hash> {
  return size === 0 ? emptyRoot() : rangeRoot(hashes, [0, size])
}

/** The right edge of the first `size` entries: what {@link CompactRange} goes on from. */
export async function edgeAt(hashes: HashReader, size: number): Promise<Hash[]> {
  const edge: Promise<Hash>[] = []
  for (let start = 0; start < size; ) {
    const count = largestPowerBelow(size - start + 1)
    edge.push(hashes.hash(Math.log2(count), start / count))
    start += count
  }
  return Promise.all(edge)
}

type Range = readonly [start: number, end: number]

/** `PATH(m, D[n])` */
async function inclusionPath(hashes: HashReader, index: number, [start, end]: Range): Promise<Hash[]> {
  if (end - start === 1) return []
  const middle = start + largestPowerBelow(end - start)
  return index < middle
    ? [...(await inclusionPath(hashes, index, [start, middle])), await rangeRoot(hashes, [middle, end])]
    : [...(await inclusionPath(hashes, index, [middle, end])), await rangeRoot(hashes, [start, middle])]
}

/** `SUBPROOF(m, D[n], b)`; `isOldRoot` is its `b`: whether the subtree in question is the old tree itself, whose root is known. */
async function consistencyPath(
  hashes: HashReader,
  oldSize: number,
  { range, isOldRoot }: { readonly range: Range; readonly isOldRoot: boolean },
): Promise<Hash[]> {
  const [start, end] = range
  if (oldSize === end) return isOldRoot ? [] : [await rangeRoot(hashes, range)]
  const middle = start + largestPowerBelow(end - start)
  return oldSize <= middle
    ? [...(await consistencyPath(hashes, oldSize, { range: [start, middle], isOldRoot })), await rangeRoot(hashes, [middle, end])]
    : [...(await consistencyPath(hashes, oldSize, { range: [middle, end], isOldRoot: false })), await rangeRoot(hashes, [start, middle])]
}

/** `MTH(D[start:end])`, for the ranges that the definitions above come to. */
async function rangeRoot(hashes: HashReader, [start, end]: Range): Promise<Hash> {
  const count = end - start
  const half = largestPowerBelow(count)
  // A complete subtree stands in a tile, or is made from one
  if (count === 1 || half * 2 === count) return hashes.hash(Math.log2(count), start / count)
  return nodeHash(await rangeRoot(hashes, [start, start + half]), await rangeRoot(hashes, [start + half, end]))
}

/** The largest power of two that is smaller than `count`. */
function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}
