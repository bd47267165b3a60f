// SPDX-License-Identifier: Apache-2.0
// What follows the header of an age file (https://age-encryption.org/v1, "Payload"): a nonce, and chunks that can be opened one by one. The library opens all
// of them, in JavaScript; a store of ten thousand secrets is read for one of them at a time.
import { createDecipheriv, hkdfSync } from 'node:crypto'

const NONCE_BYTES = 16
const CHUNK_BYTES = 64 * 1024
const TAG_BYTES = 16
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES

export class AgePayload {
  /** Of the plaintext. */
  readonly bytes: number
  readonly #key: Buffer
  readonly #sealed: Uint8Array
  readonly #chunks: number

  /** `fileKey` is wiped. @throws Error for what cannot be whole */
  constructor(file: Uint8Array, fileKey: Uint8Array) {
    const nonceAt = headerBytesOf(file)
    const nonce = file.subarray(nonceAt, nonceAt + NONCE_BYTES)
    this.#key = Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
    fileKey.fill(0)
    this.#sealed = file.subarray(nonceAt + NONCE_BYTES)
    this.#chunks = Math.max(1, Math.ceil(this.#sealed.byteLength / SEALED_CHUNK_BYTES))
    const last = this.#sealed.byteLength - (this.#chunks - 1) * SEALED_CHUNK_BYTES
    // Only a payload without a byte has a chunk without one.
    if (last < TAG_BYTES || (last === TAG_BYTES && this.#chunks > 1)) throw new Error('its last chunk is cut off')
    this.bytes = this.#sealed.byteLength - this.#chunks * TAG_BYTES
  }

  /**
   * Opens the chunks that hold the bytes `from` to `to` to their places in `plaintext`, which has room for all; returns the range that they fill.
   * @throws Error for a chunk that is not what was sealed there
   */
  open(plaintext: Uint8Array, from = 0, to: number = this.bytes): readonly [number, number] {
    const first = Math.floor(from / CHUNK_BYTES)
    const end = Math.min(this.#chunks, Math.max(first + 1, Math.ceil(to / CHUNK_BYTES)))
    for (let chunk = first; chunk < end; chunk += 1) this.#openChunk(chunk, plaintext)
    return [first * CHUNK_BYTES, Math.min(this.bytes, end * CHUNK_BYTES)]
  }

  #openChunk(chunk: number, plaintext: Uint8Array): void {
    const sealed = this.#sealed.subarray(chunk * SEALED_CHUNK_BYTES, (chunk + 1) * SEALED_CHUNK_BYTES)
    const body = sealed.subarray(0, -TAG_BYTES)
    // Eleven bytes of counter, and whether it is the last: so that none can be left out, moved or added.
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(chunk, 7)
    nonce[11] = chunk === this.#chunks - 1 ? 1 : 0
    const decipher = createDecipheriv('chacha20-poly1305', this.#key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    const opened = decipher.update(body)
    try {
      decipher.final()
      plaintext.set(opened, chunk * CHUNK_BYTES)
    } finally {
      opened.fill(0)
    }
  }

  /** It opens nothing any more. */
  wipeKey(): void {
    this.#key.fill(0)
  }
}

/** To the end of the line of its MAC. @throws Error where there is none */
export function headerBytesOf(file: Uint8Array): number {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const mac = bytes.indexOf('\n--- ')
  const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1)
  if (end < 0) throw new Error('it has no whole header')
  return end + 1
}
