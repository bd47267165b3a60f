// SPDX-License-Identifier: Apache-2.0
import { widened } from './widened.ts'

/** An entry's state, or its row where it has one. */
export const ENTRY_TARGET = 0xffffff
export const ENTRY_IS_ROW: number = 1 << 24
/** A form ends in the entry's state. */
export const ENTRY_ENDS_FORM: number = 1 << 25
/** Only the last few bytes are the start of a form: jumping ahead is worth a try. Their number stands from {@link ENTRY_DEPTH_SHIFT} on. */
export const ENTRY_IS_SHALLOW: number = 1 << 26
/** Tells an entry from 0, which is one that nobody asked for yet. */
export const ENTRY_IS_KNOWN: number = 1 << 27
/** Of two bits; 0 where the entry is not shallow. */
export const ENTRY_DEPTH_SHIFT = 28

export const ROOT_ROW = 1
const WIDTH_BITS_MIN = 6
const ROWS_MIN = 64
/** 4 MiB of rows in the usual case of fewer than 64 distinct bytes in all forms: letters of one case, digits and signs. */
const ROWS_MAX = 1 << 14
/** Bytes that were looked up without a row before the rows of other states are given up for new ones. */
const MISSES_MAX = 1 << 20

/**
 * Rows are dense tables of a state's successors, one entry for each byte that stands in a form and one for all others. They are
 * filled as texts ask for entries; when there are too many, all are dropped and made anew.
 */
export class RowCache {
  /** Row 0 means none; row 1 is the root's. */
  entries: Int32Array = new Int32Array(ROWS_MIN << WIDTH_BITS_MIN)
  /** A row's width as a power of two. */
  widthBits: number = WIDTH_BITS_MIN
  /** The column of each byte; 0 for bytes that stand in no form. */
  readonly columns: Uint8Array = new Uint8Array(256)
  readonly owners: Int32Array = new Int32Array(ROWS_MAX)
  #rowOf: Uint16Array = new Uint16Array(1024)
  #columnCount = 1
  #count: number = ROOT_ROW + 1
  #misses = 0

  constructor() {
    this.#rowOf[0] = ROOT_ROW
  }

  /** The row of each state. */
  get rowOf(): Uint16Array {
    return this.#rowOf
  }

  get bytes(): number {
    return this.entries.byteLength + this.owners.byteLength + this.#rowOf.byteLength
  }

  widen(states: number): void {
    this.#rowOf = widened(this.#rowOf, Uint16Array, states)
  }

  /** Gives each byte a column of its own. UTF-8 has no use for 13 of the 256, so there are always enough beside column 0. */
  addBytes(form: Uint8Array): void {
    for (const byte of form) {
      if (this.columns[byte] !== 0) continue
      this.columns[byte] = this.#columnCount
      this.#columnCount += 1
    }
    if (this.#columnCount <= 1 << this.widthBits) return
    this.drop()
    while (this.#columnCount > 1 << this.widthBits) this.widthBits += 1
    this.entries = new Int32Array(ROWS_MIN << this.widthBits)
  }

  /** The state's row, made if needed; 0 when there is no room. */
  row(state: number): number {
    const row = this.#rowOf[state] as number
    if (row !== 0) return row
    if (this.#count === ROWS_MAX) {
      this.#misses += 1
      if (this.#misses < MISSES_MAX) return 0
      this.drop()
    }
    const made = this.#count
    this.#count += 1
    if (made << this.widthBits === this.entries.length) this.entries = widened(this.entries, Int32Array, this.entries.length * 2)
    this.owners[made] = state
    this.#rowOf[state] = made
    return made
  }

  drop(): void {
    for (let row = ROOT_ROW + 1; row < this.#count; row += 1) this.#rowOf[this.owners[row] as number] = 0
    this.entries.fill(0, 0, this.#count << this.widthBits)
    this.#count = ROOT_ROW + 1
    this.#misses = 0
  }
}
