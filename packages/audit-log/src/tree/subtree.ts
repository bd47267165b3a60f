// SPDX-License-Identifier: Apache-2.0

/**
 * Whether `[start, end)` is a subtree as draft-ietf-plants-merkle-tree-certs defines it: `start` is a multiple of the
 * smallest power of two that is not smaller than the number of entries. Sizes are safe integers; larger ones are none of ours.
 */
export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) return false
  let power = 1
  while (power < end - start) power *= 2
  return start % power === 0
}
