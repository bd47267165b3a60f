// SPDX-License-Identifier: Apache-2.0
// Bodies in signed chunks: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
import { createHash } from 'node:crypto'
import { hmac, type SigningScope, scopeText } from './signature.ts'

export const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

const EMPTY_SHA256 = sha256Hex('')

/** The signatures of one body's chunks: each signs the one before it, the first that of the request. */
export class ChunkChain {
  readonly #key: Buffer
  readonly #head: string
  #previous: string

  constructor(key: Buffer, scope: SigningScope, { time, seed }: { readonly time: string; readonly seed: string }) {
    this.#key = key
    this.#head = `${time}\n${scopeText(scope)}`
    this.#previous = seed
  }

  /** Hexadecimal, of the next chunk; the last one is empty. */
  next(data: Uint8Array): string {
    return this.#sign('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${sha256Hex(data)}`)
  }

  /** Of the trailer section, after the last chunk. `lines`: `name:value\n` for each field. */
  trailer(lines: Uint8Array): string {
    return this.#sign('AWS4-HMAC-SHA256-TRAILER', sha256Hex(lines))
  }

  #sign(algorithm: string, hashes: string): string {
    this.#previous = hmac(this.#key, `${algorithm}\n${this.#head}\n${this.#previous}\n${hashes}`).toString('hex')
    return this.#previous
  }
}
