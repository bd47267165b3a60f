// SPDX-License-Identifier: Apache-2.0
import type { Hash, TreeHead } from '../contract.ts'
import type { CompactRange } from '../tree/compact-range.ts'
import { equalHashes } from '../tree/hash.ts'

/** A head that the log had, and who says so. */
export interface RememberedHead extends TreeHead {
  /** For the report: `an earlier check`, `witness w1`, `the key of 2026`. */
  readonly from: string
}

/** Whether each head is a beginning of the tree that is read, in one pass. */
export class HeadCheck {
  /** By size, the smallest first. */
  #waiting: readonly RememberedHead[]
  #different: readonly RememberedHead[] = []
  #lastSame: number

  constructor(heads: readonly RememberedHead[], start: number) {
    this.#waiting = heads.filter(({ size }) => size >= start).toSorted((a, b) => a.size - b.size)
    this.#lastSame = start
  }

  copy(): HeadCheck {
    const copy = new HeadCheck(this.#waiting, 0)
    copy.#different = this.#different
    copy.#lastSame = this.#lastSame
    return copy
  }

  /** `before` is the tree up to a bundle, of which `count` leaves are answered by `leaf`. */
  check(before: CompactRange, count: number, leaf: (index: number) => Hash): void {
    for (;;) {
      const [head] = this.#waiting
      if (head === undefined || head.size > before.size + count) return
      this.#waiting = this.#waiting.slice(1)
      const tree = before.copy()
      for (let index = 0; tree.size < head.size; index++) tree.append(leaf(index))
      if (!equalHashes(tree.root(), head.root)) this.#different = [...this.#different, head]
      else if (this.#different.length === 0) this.#lastSame = head.size
    }
  }

  get different(): readonly RememberedHead[] {
    return this.#different
  }

  /** Every entry before this one is as somebody remembers it. */
  get lastSame(): number {
    return this.#lastSame
  }
}
