// SPDX-License-Identifier: Apache-2.0

const CAPACITY_MIN = 4096

/** Bytes that came in pieces, however small, in one place: as many objects as pieces would be a job's choice. */
export class ByteQueue {
  #buffer: Buffer = Buffer.alloc(0)
  #from = 0
  #to = 0

  get length(): number {
    return this.#to - this.#from
  }

  push(piece: Buffer): void {
    if (this.#buffer.length - this.#to < piece.length) this.#makeRoom(piece.length)
    piece.copy(this.#buffer, this.#to)
    this.#to += piece.length
  }

  /** Up to `size` bytes of the beginning, good until the next call. */
  peek(size: number): Buffer {
    return this.#buffer.subarray(this.#from, Math.min(this.#to, this.#from + size))
  }

  /** A copy. @throws RangeError when there are fewer. */
  take(size: number): Buffer {
    if (size > this.length) throw new RangeError('fewer bytes than that')
    const bytes = Buffer.from(this.peek(size))
    this.#from += size
    return bytes
  }

  #makeRoom(bytes: number): void {
    const wanted = this.length + bytes
    const buffer = wanted <= this.#buffer.length / 2 ? this.#buffer : Buffer.alloc(Math.max(wanted * 2, CAPACITY_MIN))
    this.#buffer.copy(buffer, 0, this.#from, this.#to)
    this.#to = this.length
    this.#from = 0
    this.#buffer = buffer
  }
}
