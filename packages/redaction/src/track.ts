// SPDX-License-Identifier: Apache-2.0
import type { CanonicalSink } from './canonical.ts'
import { FORM_BYTES_MAX } from './forms.ts'
import type { Found } from './interval-list.ts'
import type { Scanner } from './scanner.ts'

/** Canonical bytes that can be added before they are read. */
export const TRACK_BATCH_BYTES = 4096

const CAPACITY = FORM_BYTES_MAX + TRACK_BATCH_BYTES

/**
 * So many characters of a value stay where a line breaks after them: else the end of nearly every line, which is the start of some form
 * more often than not, had to wait for the next line.
 */
const BREAK_LEAVES_MAX = 3

/**
 * One reading of a text in canonical form. Keeps exactly the longest end that is the start of a form, and where its bytes came from;
 * positions are relative to the chunk that is being read.
 */
export class Track implements CanonicalSink {
  readonly #scanner: Scanner
  readonly bytes: Uint8Array = new Uint8Array(CAPACITY)
  readonly places: Int32Array = new Int32Array(CAPACITY)
  /** Where the bytes end in the raw text, if that is not the next position. */
  readonly ends: Int32Array | null
  count = 0
  #state = 0
  #kept = 0
  #found: Found | null = null

  constructor(scanner: Scanner, hasEnds: boolean = false) {
    this.#scanner = scanner
    this.ends = hasEnds ? new Int32Array(CAPACITY) : null
  }

  /** Canonical bytes of the longest end that is the start of a form. */
  get depth(): number {
    return this.#kept
  }

  /** Where that end starts in the raw text. */
  get origin(): number {
    return this.#start(0)
  }

  /** The same, but for the few characters that are left where a line breaks after them; `end` when nothing remains. */
  heldFrom(isAfterBreak: boolean, end: number): number {
    if (this.#kept === 0 || (isAfterBreak && this.#kept <= BREAK_LEAVES_MAX)) return end
    return this.#start(this.#afterBreak(0, this.#kept))
  }

  /** Reads what was added. */
  read(found: Found): void {
    if (this.count === this.#kept) return
    this.#found = found
    this.#state = this.#scanner.open(this.#scanner.scan(this.bytes.subarray(this.#kept, this.count), this.#state, this))
    this.#keepEnd()
  }

  /** After forms were added: the end that was kept is read again. */
  reread(found: Found): void {
    this.#kept = 0
    this.#state = 0
    this.read(found)
  }

  reset(): void {
    this.count = 0
    this.#kept = 0
    this.#state = 0
  }

  copyFrom(other: Track): void {
    this.count = other.count
    this.#kept = other.#kept
    this.#state = other.#state
    this.bytes.set(other.bytes.subarray(0, other.count))
    this.places.set(other.places.subarray(0, other.count))
  }

  /** The next chunk begins `distance` bytes further on. */
  advance(distance: number): void {
    for (let index = 0; index < this.count; index += 1) {
      this.places[index] = (this.places[index] as number) - 2 * distance
      if (this.ends !== null) this.ends[index] = (this.ends[index] as number) - distance
    }
  }

  /** Called by the scanner: a form is there, relative to what was added. */
  add(start: number, end: number): void {
    const last = this.#kept + end - 1
    this.#found?.add(
      this.#start(this.#afterBreak(this.#kept + start, last + 1)),
      this.ends === null ? this.#start(last) + 1 : (this.ends[last] as number),
    )
  }

  #start(index: number): number {
    return (this.places[index] as number) >> 1
  }

  #afterBreak(start: number, end: number): number {
    let first = start
    for (let index = start + 1; index < end && index <= start + BREAK_LEAVES_MAX; index += 1)
      if (((this.places[index] as number) & 1) === 1) first = index
    return first
  }

  #keepEnd(): void {
    const kept = this.#scanner.depth(this.#state)
    const from = this.count - kept
    if (kept > 0 && from > 0) {
      this.bytes.copyWithin(0, from, this.count)
      this.places.copyWithin(0, from, this.count)
      this.ends?.copyWithin(0, from, this.count)
    }
    this.count = kept
    this.#kept = kept
  }
}
