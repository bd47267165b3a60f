// SPDX-License-Identifier: Apache-2.0
import { read } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'

const PART_BYTES = 256 * 1024

/** An artifact that does not change while it is open. Read by position, so that every attempt begins where it should. */
export class ArtifactFile {
  readonly #descriptor: number
  readonly bytes: number

  constructor(descriptor: number, bytes: number) {
    this.#descriptor = descriptor
    this.bytes = bytes
  }

  /** Not a stream of `node:fs`: that closes the descriptor at its own end. */
  stream(position = 0, length: number = this.bytes): Readable {
    return Readable.from(this.#parts(position, length), { objectMode: false })
  }

  /** @throws RangeError where the artifact has not as much. */
  async read(position: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for await (const part of this.#parts(position, length)) parts.push(part)
    const bytes = Buffer.concat(parts)
    if (bytes.length !== length) throw new RangeError('the artifact ends early')
    return bytes
  }

  async *#parts(position: number, length: number): AsyncGenerator<Buffer> {
    for (let done = 0; done < length; ) {
      const wanted = Math.min(PART_BYTES, length - done)
      const { bytesRead, buffer } = await promisify(read)(this.#descriptor, Buffer.alloc(wanted), 0, wanted, position + done)
      if (bytesRead === 0) return
      done += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
}
