// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import type { RawText } from './raw-text.ts'

const MULTIPLIER = 0x9e3779b1
const MULTIPLIER_2 = 0x85ebca6b
const GRAM_BYTES = 5
const WORD_BYTES = 4
export const BLOCK_BYTES_MAX = 8
const BLOCK_BYTES_MIN = GRAM_BYTES
/** The bytes of a form's start that are looked at: two blocks. */
const HEAD_BYTES = 2 * BLOCK_BYTES_MAX
const BITS_MIN = 15
const BITS_MAX = 28
/** The bit table is doubled when it has fewer bits than so many for each gram: more find fewer by chance, fewer stay in the processor's cache. */
const BITS_A_GRAM = 32
const WORD_BITS_LOG = 5
/** From which bits on a gram's hash tells its two bits in a word of the table. */
const FIRST_MARK = 5
const SECOND_MARK = 10
/** Both letter cases at once. Other pairs that become equal only cost a second look. */
const FOLD = 0x20202020

/**
 * Finds anchors in raw text: the first two blocks of each spelling of a form. Text that is broken once, in or between the two, leaves one of
 * them whole, so a spelling that breaks no closer than two blocks always has an anchor.
 *
 * Every block has one gram at a place that is looked at: a table of bits, two a gram, tells whether the gram is in any block, and a set of
 * fingerprints whether the block around it is one. Errs only towards "an anchor is here".
 */
export class AnchorFilter {
  #block = BLOCK_BYTES_MAX
  #heads: Uint8Array = new Uint8Array(HEAD_BYTES * 64)
  #lengths: Uint8Array = new Uint8Array(64)
  #count = 0
  #known: Set<string> = new Set()
  /** The start of the spelling that is being added. */
  readonly #head: Buffer = Buffer.alloc(HEAD_BYTES)
  #bits = BITS_MIN
  #table: Uint32Array = new Uint32Array(1 << (BITS_MIN - WORD_BITS_LOG))
  #grams = 0
  #prints: Uint32Array = new Uint32Array(1024)
  #printCount = 0

  get bytes(): number {
    return this.#heads.byteLength + this.#lengths.byteLength + this.#table.byteLength + this.#prints.byteLength + this.#known.size * 48
  }

  /** `spelling`: at least two of the shortest blocks. */
  add(spelling: Uint8Array): void {
    const head = this.#head
    const length = Math.min(HEAD_BYTES, spelling.length)
    for (let index = 0; index < length; index += 1) head[index] = (spelling[index] as number) | 0x20
    const key = head.toString('latin1', 0, length)
    if (this.#known.has(key)) return
    this.#known.add(key)
    this.#append(head, length)
    const block = Math.max(BLOCK_BYTES_MIN, Math.min(BLOCK_BYTES_MAX, length >>> 1))
    if (block < this.#block) {
      this.#block = block
      this.#rebuild()
    } else this.#enter(this.#count - 1)
    while (this.#grams * BITS_A_GRAM > 1 << this.#bits && this.#bits < BITS_MAX) {
      this.#bits += 1
      this.#rebuild()
    }
  }

  /** The first place from `start` on at which an anchor stands; the text's length when there is none. */
  next(text: RawText, start: number): number {
    if (this.#count === 0) return text.bytes.length
    return this.#block === BLOCK_BYTES_MAX ? this.#nextByWords(text, start) : this.#nextByBytes(text, start)
  }

  /** Each block of eight bytes holds one whole gram that starts at an aligned word. */
  #nextByWords(text: RawText, start: number): number {
    const { words, lead } = text
    const table = this.#table
    const shift = 32 + WORD_BITS_LOG - this.#bits
    const groups = words.length - 4
    let index = Math.max(0, (start - lead + WORD_BYTES - 1) >> 2)
    while (index < groups) {
      const word1 = words[index + 1] as number
      const word2 = words[index + 2] as number
      const word3 = words[index + 3] as number
      // Four places at a time, which do not wait for each other.
      const first = gram(words[index] as number, word1 & 0xff)
      const second = gram(word1, word2 & 0xff)
      const third = gram(word2, word3 & 0xff)
      const fourth = gram(word3, (words[index + 4] as number) & 0xff)
      const isAny =
        isMarked(table[first >>> shift] as number, first) |
        isMarked(table[second >>> shift] as number, second) |
        isMarked(table[third >>> shift] as number, third) |
        isMarked(table[fourth >>> shift] as number, fourth)
      if ((isAny & 1) !== 0) {
        const at = this.#among(text, start, lead + index * WORD_BYTES, 4)
        if (at >= 0) return at
      }
      index += 4
    }
    const rest = lead + index * WORD_BYTES
    const at = this.#among(text, start, rest, Math.ceil((text.bytes.length - rest) / WORD_BYTES))
    return at < 0 ? text.bytes.length : at
  }

  /** Smaller blocks hold a gram at every third place, second, or each. */
  #nextByBytes(text: RawText, start: number): number {
    const { bytes, view } = text
    const table = this.#table
    const shift = 32 + WORD_BITS_LOG - this.#bits
    const step = this.#block - GRAM_BYTES + 1
    const last = bytes.length - GRAM_BYTES - 3 * step
    let place = start + step - 1
    for (; place <= last; place += 4 * step) {
      const first = gramAt(bytes, view, place)
      const second = gramAt(bytes, view, place + step)
      const third = gramAt(bytes, view, place + 2 * step)
      const fourth = gramAt(bytes, view, place + 3 * step)
      const isAny =
        isMarked(table[first >>> shift] as number, first) |
        isMarked(table[second >>> shift] as number, second) |
        isMarked(table[third >>> shift] as number, third) |
        isMarked(table[fourth >>> shift] as number, fourth)
      if ((isAny & 1) === 0) continue
      const at = this.#among(text, start, place, 4)
      if (at >= 0) return at
    }
    const at = this.#among(text, start, place, 4)
    return at < 0 ? bytes.length : at
  }

  /** The first anchor around one of some places, a step apart; -1 when there is none. */
  #among(text: RawText, start: number, first: number, count: number): number {
    const reach = this.#block - GRAM_BYTES
    const end = Math.min(first + count * (reach + 1), text.bytes.length - GRAM_BYTES + 1)
    for (let at = first; at < end; at += reach + 1) {
      // A block that holds a gram holds the one before it or the one after it.
      if (!this.#isGram(text, at) || (reach > 0 && !this.#isGram(text, at - 1) && !this.#isGram(text, at + 1))) continue
      const anchor = this.#anchorAround(text.bytes, text.view, Math.max(start, at - reach), at)
      if (anchor >= 0) return anchor
    }
    return -1
  }

  #isGram({ bytes, view }: RawText, at: number): boolean {
    if (at < 0 || at + GRAM_BYTES > bytes.length) return false
    const hash = gramAt(bytes, view, at)
    return (isMarked(this.#table[hash >>> (32 + WORD_BITS_LOG - this.#bits)] as number, hash) & 1) !== 0
  }

  #anchorAround(text: Uint8Array, view: DataView, from: number, to: number): number {
    const second = this.#block - WORD_BYTES
    for (let at = from; at <= to && at + this.#block <= text.length; at += 1) {
      if (this.#hasPrint(printOf(view.getUint32(at, true), view.getUint32(at + second, true)))) return at
    }
    return -1
  }

  #append(head: Uint8Array, length: number): void {
    if (this.#count === this.#lengths.length) {
      this.#heads = doubled(this.#heads)
      this.#lengths = doubled(this.#lengths)
    }
    this.#heads.set(head, this.#count * HEAD_BYTES)
    this.#lengths[this.#count] = length
    this.#count += 1
  }

  #rebuild(): void {
    this.#table = new Uint32Array(1 << (this.#bits - WORD_BITS_LOG))
    this.#grams = 0
    this.#prints.fill(0)
    this.#printCount = 0
    for (let index = 0; index < this.#count; index += 1) this.#enter(index)
  }

  #enter(index: number): void {
    const start = index * HEAD_BYTES
    const view = new DataView(this.#heads.buffer)
    for (let block = 0; block < 2; block += 1) {
      const at = start + block * this.#block
      if (at + this.#block > start + (this.#lengths[index] as number)) return
      this.#addPrint(printOf(view.getUint32(at, true), view.getUint32(at + this.#block - WORD_BYTES, true)))
      for (let offset = 0; offset + GRAM_BYTES <= this.#block; offset += 1) {
        const hash = gramAt(this.#heads, view, at + offset)
        const slot = hash >>> (32 + WORD_BITS_LOG - this.#bits)
        const word = this.#table[slot] as number
        if ((isMarked(word, hash) & 1) === 0) this.#grams += 1
        this.#table[slot] = word | (1 << (hash >>> FIRST_MARK)) | (1 << (hash >>> SECOND_MARK))
      }
    }
  }

  #hasPrint(print: number): boolean {
    const mask = this.#prints.length - 1
    for (let slot = print & mask; this.#prints[slot] !== 0; slot = (slot + 1) & mask) if (this.#prints[slot] === print) return true
    return false
  }

  #addPrint(print: number): void {
    if (this.#hasPrint(print)) return
    if (this.#printCount * 2 >= this.#prints.length) {
      const old = this.#prints
      this.#prints = new Uint32Array(old.length * 2)
      this.#printCount = 0
      for (const each of old) if (each !== 0) this.#addPrint(each)
    }
    const mask = this.#prints.length - 1
    let slot = print & mask
    while (this.#prints[slot] !== 0) slot = (slot + 1) & mask
    this.#prints[slot] = print
    this.#printCount += 1
  }
}

/** A hash of five bytes. */
function gram(word: number, last: number): number {
  return Math.imul((word | FOLD) + Math.imul(last | 0x20, MULTIPLIER_2), MULTIPLIER)
}

function gramAt(text: Uint8Array, view: DataView, at: number): number {
  return gram(view.getUint32(at, true), text[at + WORD_BYTES] as number)
}

/** In the lowest bit: whether a word of the table has both bits of a gram. */
function isMarked(word: number, hash: number): number {
  return (word >>> (hash >>> FIRST_MARK)) & (word >>> (hash >>> SECOND_MARK))
}

/** Of a block's first and last four bytes; never 0. */
function printOf(first: number, last: number): number {
  const mixed = Math.imul(first | FOLD, MULTIPLIER) ^ Math.imul((last | FOLD) + 0x7f4a7c15, MULTIPLIER_2)
  return ((mixed ^ (mixed >>> 15)) | 1) >>> 0
}

function doubled(array: Uint8Array): Uint8Array {
  const wider = new Uint8Array(array.length * 2)
  wider.set(array)
  return wider
}
