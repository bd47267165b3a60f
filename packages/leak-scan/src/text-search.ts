// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Leak } from './contract.ts'
import type { KnownValues } from './known-values.ts'
import { type LeakPattern, MATCH_MAX, PATTERNS } from './patterns.ts'

const PIECE_BYTES = 1 << 16
const NEWLINE = 10
const HEAD_MAX = 5
/** Of one text: a list of hashes or a book of examples is told well enough by these. */
const LEAKS_MAX = 100

/** One text, of any length, in constant memory. The first occurrence of each credential is told. */
export class TextSearch {
  readonly #place: string
  readonly #known: KnownValues
  readonly #stream: ReturnType<KnownValues['createStream']>
  readonly #found: (leak: Leak) => void
  readonly #told: Set<string> = new Set()
  /** The end of what was searched: a match may begin in it. */
  #tail: Buffer = Buffer.alloc(0)
  /** Of the tail's first byte. */
  #line = 1

  constructor(place: string, known: KnownValues, found: (leak: Leak) => void) {
    this.#place = place
    this.#known = known
    this.#stream = known.createStream()
    this.#found = found
  }

  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) this.#search(chunk.subarray(at, at + PIECE_BYTES), false)
  }

  end(): void {
    this.#search(Buffer.alloc(0), true)
  }

  #search(piece: Buffer, isLast: boolean): void {
    const text = Buffer.concat([this.#tail, piece])
    this.#searchKnown(text, piece, isLast)
    const letters = text.toString('latin1')
    for (const pattern of PATTERNS) this.#searchPattern(pattern, letters, isLast)
    const from = Math.max(0, text.length - MATCH_MAX)
    this.#line += newlinesIn(text.subarray(0, from))
    this.#tail = text.subarray(from)
  }

  #searchKnown(text: Buffer, piece: Buffer, isLast: boolean): void {
    const before = this.#stream.maskedCount
    this.#stream.write(piece)
    if (isLast) this.#stream.end()
    if (this.#stream.maskedCount === before) return
    const located = this.#known.locate(text)
    // A form that began before the tail, of a value that is longer than that.
    if (located.length === 0) this.#tell('known-value', null, 0, text, null)
    for (const { name, at } of located) this.#tell('known-value', name, at, text, null)
  }

  #searchPattern({ rule, pattern, isOne }: LeakPattern, letters: string, isLast: boolean): void {
    for (const match of letters.matchAll(pattern)) {
      // It may go on in the next piece, where it is found again.
      if (!isLast && match.index + match[0].length === letters.length) continue
      const value = match[1] ?? match[0]
      if (isOne(value)) this.#tell(rule, null, match.index, letters, value)
    }
  }

  #tell(rule: string, name: string | null, at: number, text: Buffer | string, value: string | null): void {
    const fingerprint = value === null ? null : createHash('sha256').update(value, 'latin1').digest('hex').slice(0, 16)
    const key = JSON.stringify([rule, name, fingerprint])
    if (this.#told.has(key) || this.#told.size >= LEAKS_MAX) return
    this.#told.add(key)
    const before = typeof text === 'string' ? Buffer.from(text.slice(0, at), 'latin1') : text.subarray(0, at)
    const head = value === null ? '' : value.slice(0, Math.min(HEAD_MAX, Math.floor(value.length / 5)))
    this.#found({ rule, name, place: this.#place, line: this.#line + newlinesIn(before), head, fingerprint })
  }
}

function newlinesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1
  return count
}
