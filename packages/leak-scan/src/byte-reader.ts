// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/** Reads a stream by counts of bytes. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Fewer at the end. They are still to be read. */
  async peek(count: number): Promise<Buffer> {
    while (this.#rest.length < count) {
      const { value, done } = await this.#source.next()
      if (done === true) break
      this.#rest = Buffer.concat([this.#rest, value])
    }
    return this.#rest.subarray(0, count)
  }

  /** Fewer at the end. */
  async read(count: number): Promise<Buffer> {
    const bytes = await this.peek(count)
    this.#rest = this.#rest.subarray(bytes.length)
    return bytes
  }

  /** The next `count` bytes as they come, fewer at the end. */
  async *take(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#source.next()
        if (done === true) return
        this.#rest = Buffer.from(value)
      }
      const bytes = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(bytes.length)
      left -= bytes.length
      yield bytes
    }
  }
}
