// SPDX-License-Identifier: Apache-2.0
// A body in signed chunks (Content-Encoding: aws-chunked): each chunk's signature is checked against the placeholder, and made anew with the key.
import { timingSafeEqual } from 'node:crypto'
import type { ChunkChain } from '@sallyport/aws-signature'
import type { RefusedError } from '../../ports.ts'
import type { BodyStage } from '../body-pump.ts'
import { ByteQueue } from './byte-queue.ts'

/** Clients make chunks of 64 or 128 KiB; S3 has no bound of its own. */
const CHUNK_BYTES_MAX = 1024 * 1024
/** `100000;chunk-signature=` and 64 digits are less. */
const LINE_BYTES_MAX = 128
/** Checksums and their signature. */
const TRAILER_BYTES_MAX = 4096

export interface ChunkStageParts {
  /** What the client has signed, and what is sent. */
  readonly claimed: ChunkChain
  readonly real: ChunkChain
  readonly hasTrailer: boolean
  /** Null: too much is held already. */
  readonly hold: (bytes: number) => { release(): void } | null
  readonly refusal: (reason: string) => RefusedError
}

type State =
  | { readonly at: 'line' }
  | { readonly at: 'data'; readonly size: number; readonly signature: string; readonly held: { release(): void } }
  | { readonly at: 'trailer' }
  | { readonly at: 'end' }

/** Holds one chunk at most. */
export class ChunkStage implements BodyStage {
  readonly #parts: ChunkStageParts
  #state: State = { at: 'line' }
  readonly #queue = new ByteQueue()

  constructor(parts: ChunkStageParts) {
    this.#parts = parts
  }

  write(chunk: Buffer): Uint8Array {
    this.#queue.push(chunk)
    const out: Buffer[] = []
    for (let part = this.#step(); part !== null; part = this.#step()) out.push(part)
    return Buffer.concat(out)
  }

  end(): Uint8Array {
    this.release()
    if (this.#state.at !== 'end' || this.#queue.length > 0) throw this.#parts.refusal('the body ends in the middle of its chunks')
    return new Uint8Array(0)
  }

  /** Idempotent: what is accounted for a chunk that never became whole. */
  release(): void {
    if (this.#state.at === 'data') this.#state.held.release()
  }

  /** Null: the next part is not whole. */
  #step(): Buffer | null {
    switch (this.#state.at) {
      case 'line':
        return this.#line()
      case 'data':
        return this.#queue.length < this.#state.size + 2 ? null : this.#data(this.#state)
      case 'trailer':
        return this.#trailer()
      case 'end':
        if (this.#queue.length > 0) throw this.#parts.refusal('the body goes on after its last chunk')
        return null
    }
  }

  #line(): Buffer | null {
    const line = this.#takeThrough('\r\n', LINE_BYTES_MAX)
    if (line === null) return null
    const [, digits, signature] = /^([0-9a-f]{1,8});chunk-signature=([0-9a-f]{64})\r\n$/i.exec(line.toString('latin1')) ?? []
    if (digits === undefined || signature === undefined) throw this.#parts.refusal('the body is not in signed chunks')
    const size = Number.parseInt(digits, 16)
    if (size > CHUNK_BYTES_MAX)
      throw this.#parts.refusal('a chunk of the body is larger than 1 MiB: set the chunk size of the client lower')
    if (size === 0) return this.#last(signature)
    const held = this.#parts.hold(size)
    if (held === null) throw this.#parts.refusal('too many bodies in signed chunks at a time: fewer, or smaller chunks')
    this.#state = { at: 'data', size, signature, held }
    return Buffer.alloc(0)
  }

  #data({ size, signature, held }: Extract<State, { at: 'data' }>): Buffer {
    const whole = this.#queue.take(size + 2)
    held.release()
    this.#state = { at: 'line' }
    if (whole.subarray(size).toString('latin1') !== '\r\n') throw this.#parts.refusal('a chunk of the body is longer than it says')
    const data = whole.subarray(0, size)
    const real = this.#resign(signature, (chain) => chain.next(data))
    return Buffer.concat([Buffer.from(`${size.toString(16)};chunk-signature=${real}\r\n`), whole])
  }

  #last(signature: string): Buffer {
    this.#state = { at: 'trailer' }
    return Buffer.from(`0;chunk-signature=${this.#resign(signature, (chain) => chain.next(new Uint8Array(0)))}\r\n`)
  }

  #trailer(): Buffer | null {
    if (!this.#parts.hasTrailer) {
      if (this.#queue.length < 2) return null
      this.#state = { at: 'end' }
      const end = this.#queue.take(2)
      if (end.toString('latin1') !== '\r\n') throw this.#parts.refusal('the body goes on after its last chunk')
      return end
    }
    const section = this.#takeThrough('\r\n\r\n', TRAILER_BYTES_MAX)
    if (section === null) return null
    this.#state = { at: 'end' }
    return this.#resignTrailer(section.toString('latin1'))
  }

  /** `name:value` lines, the last of which is the signature of those before it. */
  #resignTrailer(section: string): Buffer {
    const lines = section.slice(0, -4).split('\r\n')
    const [, signature] = /^x-amz-trailer-signature:([0-9a-f]{64})$/i.exec(lines.pop() ?? '') ?? []
    if (signature === undefined) throw this.#parts.refusal('the trailer of the body is not signed')
    const canonical = lines.map((line) => {
      const [, name, value] = /^([A-Za-z0-9-]{1,128}):([\t\x20-\x7e]{0,1024})$/.exec(line) ?? []
      if (name === undefined || value === undefined) throw this.#parts.refusal('the trailer of the body is malformed')
      return `${name.toLowerCase()}:${value.trim()}\n`
    })
    const real = this.#resign(signature, (chain) => chain.trailer(Buffer.from(canonical.join(''))))
    return Buffer.from(`${lines.map((line) => `${line}\r\n`).join('')}x-amz-trailer-signature:${real}\r\n\r\n`, 'latin1')
  }

  #resign(claimed: string, sign: (chain: ChunkChain) => string): string {
    const expected = sign(this.#parts.claimed)
    if (!timingSafeEqual(Buffer.from(expected), Buffer.from(claimed.toLowerCase())))
      throw this.#parts.refusal('a chunk of the body is not signed by the placeholder')
    return sign(this.#parts.real)
  }

  /** Through the first `end`; null: it has not come. */
  #takeThrough(end: string, bytesMax: number): Buffer | null {
    const begin = this.#queue.peek(bytesMax)
    const at = begin.indexOf(end)
    if (at !== -1) return this.#queue.take(at + end.length)
    if (begin.length >= bytesMax) throw this.#parts.refusal('the body is not in signed chunks')
    return null
  }
}
