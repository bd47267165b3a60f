// SPDX-License-Identifier: Apache-2.0

/**
 * Disjoint intervals of byte positions, in order; touching ones are merged. Intervals are added in the order of
 * their ends, as an automaton finds them, so only the last ones can merge with a new one.
 */
export class IntervalList {
  #starts: Int32Array = new Int32Array(16)
  #ends: Int32Array = new Int32Array(16)
  #count = 0

  get count(): number {
    return this.#count
  }

  start(index: number): number {
    return this.#starts[index] as number
  }

  end(index: number): number {
    return this.#ends[index] as number
  }

  add(start: number, end: number): void {
    let last = this.#count - 1
    let from = start
    while (last >= 0 && (this.#ends[last] as number) >= start) {
      from = Math.min(from, this.#starts[last] as number)
      last -= 1
    }
    last += 1
    if (last === this.#starts.length) this.#grow()
    this.#starts[last] = from
    this.#ends[last] = end
    this.#count = last + 1
  }

  clear(): void {
    this.#count = 0
  }

  /** Forgets the first `dropped` intervals and moves the others `distance` positions down. */
  advance(dropped: number, distance: number): void {
    const count = this.#count - dropped
    for (let index = 0; index < count; index += 1) {
      this.#starts[index] = (this.#starts[index + dropped] as number) - distance
      this.#ends[index] = (this.#ends[index + dropped] as number) - distance
    }
    this.#count = count
  }

  #grow(): void {
    this.#starts = widened(this.#starts)
    this.#ends = widened(this.#ends)
  }
}

function widened(array: Int32Array): Int32Array {
  const wider = new Int32Array(array.length * 2)
  wider.set(array)
  return wider
}
