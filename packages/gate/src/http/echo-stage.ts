// SPDX-License-Identifier: Apache-2.0
import type { RedactionStream } from '@sallyport/redaction'
import type { Substitution } from '../contract.ts'
import type { BodyStage } from './body-pump.ts'

/**
 * Takes values out of an answer. Where one stands as it is, its placeholder takes its place, so that a client which goes on with what it was given goes on working;
 * every other form of it (base64, percent-encoded, …) becomes `***`.
 */
export class EchoStage implements BodyStage {
  readonly #swaps: readonly LiteralSwap[]
  readonly #mask: RedactionStream
  readonly #onFound: () => void
  #isFound = false

  /** `onFound` is called at most once. */
  constructor(substitutions: readonly Substitution[], mask: RedactionStream, onFound: () => void) {
    // A value that contains another one goes first.
    const byLength = substitutions.filter(({ value }) => value !== '').toSorted((left, right) => right.value.length - left.value.length)
    this.#swaps = byLength.map(({ value, placeholder }) => new LiteralSwap(Buffer.from(value), Buffer.from(placeholder)))
    this.#mask = mask
    this.#onFound = onFound
  }

  write(chunk: Buffer): Uint8Array {
    return this.#checked(this.#mask.write(this.#swaps.reduce((bytes, swap) => swap.write(bytes), chunk)))
  }

  end(): Uint8Array {
    const rest = this.#swaps.reduce((bytes, swap) => Buffer.concat([swap.write(bytes), swap.end()]), Buffer.alloc(0))
    return this.#checked(Buffer.concat([this.#mask.write(rest), this.#mask.end()]))
  }

  #checked(bytes: Uint8Array): Uint8Array {
    if (!this.#isFound && (this.#mask.maskedCount > 0 || this.#swaps.some(({ count }) => count > 0))) {
      this.#isFound = true
      this.#onFound()
    }
    return bytes
  }
}

/** Replaces one byte string by another in a stream. Holds back only what is a beginning of it. */
class LiteralSwap {
  readonly #from: Buffer
  readonly #to: Buffer
  #held: Buffer = Buffer.alloc(0)
  #count = 0

  constructor(from: Buffer, to: Buffer) {
    this.#from = from
    this.#to = to
  }

  get count(): number {
    return this.#count
  }

  write(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const parts: Buffer[] = []
    let at = 0
    for (let found = bytes.indexOf(this.#from); found !== -1; found = bytes.indexOf(this.#from, at)) {
      parts.push(bytes.subarray(at, found), this.#to)
      at = found + this.#from.length
      this.#count += 1
    }
    const rest = bytes.subarray(at)
    const kept = rest.length - this.#beginningAtEndOf(rest)
    this.#held = Buffer.from(rest.subarray(kept))
    return parts.length === 0 ? rest.subarray(0, kept) : Buffer.concat([...parts, rest.subarray(0, kept)])
  }

  end(): Buffer {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    return held
  }

  /** Length of the longest end of `bytes` that a match could begin with. */
  #beginningAtEndOf(bytes: Buffer): number {
    const first = this.#from[0] as number
    const from = Math.max(0, bytes.length - this.#from.length + 1)
    for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1))
      if (this.#from.subarray(0, bytes.length - at).equals(bytes.subarray(at))) return bytes.length - at
    return 0
  }
}
