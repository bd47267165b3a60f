// SPDX-License-Identifier: Apache-2.0

/** Where what was found goes. */
export interface Found {
  add(start: number, end: number): void
}

/**
 * Disjoint intervals of byte positions, in order; touching ones are merged. An automaton finds them in the order of their ends, so that
 * mostly the last ones merge with a new one.
 */
export class IntervalList implements Found {
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
    if (this.#count > 0 && end < (this.#ends[this.#count - 1] as number)) this.#insert(start, end)
    else this.#append(start, end)
  }

  /** Takes all of another list's over. */
  merge(other: IntervalList): void {
    if (other.#count === 0) return
    const starts = this.#starts.slice(0, this.#count)
    const ends = this.#ends.slice(0, this.#count)
    this.#count = 0
    for (let mine = 0, its = 0; mine < starts.length || its < other.#count; ) {
      const isMine = its === other.#count || (mine < starts.length && (ends[mine] as number) <= (other.#ends[its] as number))
      if (isMine) this.#append(starts[mine] as number, ends[mine] as number)
      else this.#append(other.#starts[its] as number, other.#ends[its] as number)
      if (isMine) mine += 1
      else its += 1
    }
    other.#count = 0
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

  /** One that several readings of a text found, in no order: those that end later are taken off, and put back. */
  #insert(start: number, end: number): void {
    const later: number[] = []
    while (this.#count > 0 && (this.#ends[this.#count - 1] as number) > end) {
      this.#count -= 1
      later.push(this.#starts[this.#count] as number, this.#ends[this.#count] as number)
    }
    this.#append(start, end)
    for (let index = later.length - 2; index >= 0; index -= 2) this.#append(later[index] as number, later[index + 1] as number)
  }

  #append(start: number, end: number): void {
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
