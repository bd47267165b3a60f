// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream'
import { SandboxError } from '../sandbox-error.ts'

/**
 * Reads exact amounts from a stream of the helper. What comes from inside a sandbox is hostile: sizes are checked
 * by the callers before they are asked for here, so nothing is ever allocated on a job's word.
 */
export class ByteReader {
  readonly #iterator: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)

  constructor(stream: Readable) {
    this.#iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** `size` bytes, or null at the end of the stream before the first of them. @throws SANDBOX_PROTOCOL when it ends in between. */
  async read(size: number): Promise<Buffer | null> {
    const parts: Buffer[] = []
    let missing = size
    while (missing > 0) {
      const part = await this.readSome(missing)
      if (part === null) break
      parts.push(part)
      missing -= part.length
    }
    if (missing === 0) return parts.length === 1 ? (parts[0] ?? Buffer.alloc(0)) : Buffer.concat(parts)
    if (missing === size) return null
    throw new SandboxError('SANDBOX_PROTOCOL', `Bytes from the sandbox end after ${size - missing} of ${size}`)
  }

  /** Between 1 and `max` bytes, or null at the end. */
  async readSome(max: number): Promise<Buffer | null> {
    while (this.#buffer.length === 0) {
      const next = await this.#iterator.next()
      if (next.done === true) return null
      this.#buffer = next.value
    }
    const part = this.#buffer.subarray(0, max)
    this.#buffer = this.#buffer.subarray(part.length)
    return part
  }

  /** As {@link read}, for where the end of the stream is an error too. */
  async demand(size: number): Promise<Buffer> {
    const bytes = await this.read(size)
    if (bytes === null) throw new SandboxError('SANDBOX_PROTOCOL', `Bytes from the sandbox end where ${size} were due`)
    return bytes
  }
}
