// SPDX-License-Identifier: Apache-2.0
import type { Hash, TreeHead } from '../contract.ts'
import { emptyRoot, isHash, nodeHash } from './hash.ts'

/**
 * The right edge of a tree: the roots of its maximal complete subtrees, one for each set bit of the size. All that is
 * needed to append and to know the root, in constant memory.
 */
export class CompactRange {
  #size: number
  /** From the largest subtree to the smallest. */
  readonly #edge: Hash[]

  /** `edge`: what {@link edge} answered at that size. */
  constructor(size = 0, edge: readonly Hash[] = []) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`A tree cannot have ${size} entries`)
    if (edge.length !== setBits(size) || !edge.every(isHash)) throw new RangeError(`These hashes are no right edge of ${size} entries`)
    this.#size = size
    this.#edge = [...edge]
  }

  get size(): number {
    return this.#size
  }

  get edge(): readonly Hash[] {
    return this.#edge
  }

  copy(): CompactRange {
    return new CompactRange(this.#size, this.#edge)
  }

  append(leaf: Hash): void {
    this.appendSubtree(0, leaf)
  }

  /** Appends a complete subtree of `2^level` entries; the size has to be a multiple of that. */
  appendSubtree(level: number, root: Hash): void {
    const entries = 2 ** level
    if (this.#size % entries !== 0) throw new RangeError(`A subtree of ${entries} entries does not fit behind ${this.#size}`)
    let hash = root
    for (let count = this.#size / entries; count % 2 === 1; count = (count - 1) / 2) hash = nodeHash(this.#edge.pop() as Hash, hash)
    this.#edge.push(hash)
    this.#size += entries
  }

  root(): Hash {
    const [last, ...others] = this.#edge.toReversed()
    return last === undefined ? emptyRoot() : others.reduce((right, left) => nodeHash(left, right), last)
  }

  head(): TreeHead {
    return { size: this.#size, root: this.root() }
  }
}

function setBits(size: number): number {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
