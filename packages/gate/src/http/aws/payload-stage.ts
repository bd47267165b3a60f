// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { RefusedError } from '../../ports.ts'
import type { BodyStage } from '../body-pump.ts'

/**
 * For a body whose SHA-256 was signed: it goes out as it is, but for its last piece, which waits until the whole is known to be what was signed.
 */
export class PayloadStage implements BodyStage {
  readonly #hash = createHash('sha256')
  readonly #expected: string
  readonly #refusal: (reason: string) => RefusedError
  #held: Buffer = Buffer.alloc(0)

  constructor(expected: string, refusal: (reason: string) => RefusedError) {
    this.#expected = expected
    this.#refusal = refusal
  }

  write(chunk: Buffer): Uint8Array {
    this.#hash.update(chunk)
    const before = this.#held
    this.#held = chunk
    return before
  }

  end(): Uint8Array {
    if (this.#hash.digest('hex') !== this.#expected) throw this.#refusal('the body is not the one that was signed')
    return this.#held
  }
}
