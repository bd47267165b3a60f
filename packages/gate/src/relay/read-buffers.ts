// SPDX-License-Identifier: Apache-2.0

/** A connection starts small, since most say little and there may be thousands; one whose reads fill its buffer gets the next size. */
const SIZES = [4 * 1024, 64 * 1024, 512 * 1024] as const

/** One connection that stays keeps the memory of so many. */
const SMALL_IN_SLAB = 8

/** A larger buffer is given back after so many reads in a row that the next smaller one would have held. */
const QUIET_READS = 16

/** What the larger buffers of all connections may take. Beyond it connections stay small: slower, and no less correct. */
export class ReadBufferBudget {
  #left: number
  #slab: Buffer = Buffer.alloc(0)

  constructor(bytesMax: number = 32 * 1024 * 1024) {
    this.#left = bytesMax
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }

  /** Of the smallest size: a part of a larger one, since each allocation of its own makes the garbage collector stop for longer. Never used twice. */
  small(): Buffer {
    const [length] = SIZES
    if (this.#slab.length < length) this.#slab = Buffer.allocUnsafeSlow(length * SMALL_IN_SLAB)
    const part = this.#slab.subarray(0, length)
    this.#slab = this.#slab.subarray(length)
    return part
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0)

/** The buffer that one connection is read into, one read after the other. */
export class ReadBuffer {
  readonly #budget: ReadBufferBudget
  #size = 0
  #bytes: Buffer
  #quiet = 0

  constructor(budget: ReadBufferBudget) {
    this.#budget = budget
    this.#bytes = budget.small()
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  /** After each read: the buffer for the next one. */
  next(bytesRead: number): Buffer {
    if (bytesRead === this.#bytes.length) this.#resize(this.#size + 1)
    else if (bytesRead > (SIZES[this.#size - 1] ?? 0)) this.#quiet = 0
    else if (this.#size > 0 && ++this.#quiet === QUIET_READS) this.#resize(this.#size - 1)
    return this.#bytes
  }

  /** When the connection is over: the budget's share goes back. */
  release(): void {
    if (this.#size > 0) this.#budget.giveBack(this.#bytes.length)
    this.#size = 0
    this.#bytes = NO_BYTES
  }

  #resize(size: number): void {
    const bytes = SIZES[size]
    this.#quiet = 0
    if (bytes === undefined || size === this.#size) return
    if (size > 0 && !this.#budget.take(bytes)) return
    if (this.#size > 0) this.#budget.giveBack(this.#bytes.length)
    this.#size = size
    this.#bytes = size === 0 ? this.#budget.small() : Buffer.allocUnsafeSlow(bytes)
  }
}
