// SPDX-License-Identifier: Apache-2.0
import { EdgeMap } from './edge-map.ts'
import type { IntervalList } from './interval-list.ts'

/** A state's `#link` holds the byte that leads to the next state, and these facts. */
const LINK_BYTE = 0xff
/** The next state is not resolved, or a form ends there, or there is none: look closer. */
const LOOK_CLOSER = 0x100
const HAS_NO_NEXT = 0x200
const HAS_EDGES = 0x400
const IS_FORM = 0x800

/** A row's entry: a state, with these facts; 0 is an entry not known yet. */
const STATE = 0xffffff
const ENDS_FORM = 1 << 24
const IS_KNOWN = 1 << 25

const UNRESOLVED = -1
const ROWS_MAX = 4096
/** Rows may be thrown away for others only after this many bytes that took the slow way. */
const ROWS_KEPT_FOR = 1 << 20
/** With fewer bytes matched than this, jumping ahead is worth a try. */
const SHALLOW = 3

export const STATES_MAX: number = 1 << 24

/**
 * The automaton of Aho and Corasick over all forms, built for adding forms at any time: the trie grows by the new form alone,
 * and failure links are found when a text first leads to a state. Adding a form forgets the links that were
 * found, at no more than the cost of finding them.
 *
 * A form's states have consecutive numbers, so that following a form costs one comparison a byte; the other edges
 * stand in a map. States at which texts leave their form often get a row, a dense table of their successors.
 */
export class Automaton {
  #count = 1
  #link: Uint16Array = new Uint16Array(1024)
  #fail: Int32Array = new Int32Array(1024)
  #depth: Uint16Array = new Uint16Array(1024)
  /** Length of the longest form that ends in a resolved state; 0 when none does. */
  #formLength: Uint16Array = new Uint16Array(1024)
  #rowOf: Uint16Array = new Uint16Array(1024)
  readonly #edges: EdgeMap = new EdgeMap()

  #resolved: Int32Array = new Int32Array(256)
  #resolvedCount = 0

  /** Row 0 means none, row 1 is the root's. */
  #rows: Int32Array = new Int32Array(64 * 256)
  readonly #rowOwners: Int32Array = new Int32Array(ROWS_MAX)
  #rowCount = 2
  #slowBytes = 0

  /** Where the last {@link run} stopped. */
  position = 0

  constructor() {
    this.#link[0] = HAS_NO_NEXT | LOOK_CLOSER
    this.#rowOf[0] = 1
  }

  get states(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#link.length * 12 + this.#edges.bytes + this.#resolved.byteLength + this.#rows.byteLength + this.#rowOwners.byteLength
  }

  /** Number of bytes of the longest start of a form with which the text so far ends. */
  depth(state: number): number {
    return this.#depth[state] as number
  }

  /** The caller keeps {@link states} plus the form's length at or below {@link STATES_MAX}. False when the form was known. */
  add(form: Uint8Array): boolean {
    let state = 0
    let matched = 0
    for (; matched < form.length; matched += 1) {
      const child = this.#child(state, form[matched] as number)
      if (child < 0) break
      state = child
    }
    if (matched === form.length && ((this.#link[state] as number) & IS_FORM) !== 0) return false
    this.#forget()
    if (matched < form.length) state = this.#append(state, form.subarray(matched))
    this.#link[state] = (this.#link[state] as number) | IS_FORM
    return true
  }

  /**
   * Reads `text` from `start` on in `state`, adds each place where a form ends to `found`, and returns the new state. Stops early, at
   * {@link position}, where only the last few bytes can be the start of a form, unless `isThorough`.
   */
  run(text: Uint8Array, start: number, end: number, from: number, found: IntervalList, isThorough: boolean): number {
    const link = this.#link
    const rowOf = this.#rowOf
    const depth = this.#depth
    const formLength = this.#formLength
    let rows = this.#rows
    let state = from
    let position = start
    while (position < end) {
      const byte = text[position] as number
      position += 1
      if (((link[state] as number) & (LINK_BYTE | LOOK_CLOSER)) === byte) {
        state += 1
        continue
      }
      let entry = rows[((rowOf[state] as number) << 8) | byte] as number
      if (entry === 0) {
        entry = this.#step(state, byte, isThorough)
        rows = this.#rows
      }
      state = entry & STATE
      if ((entry & ENDS_FORM) !== 0) found.add(position - (formLength[state] as number), position)
      if (isThorough) continue
      const matched = depth[state] as number
      if (matched <= SHALLOW && matched <= position) break
    }
    this.position = position
    return state
  }

  /** The entry for the state that follows a resolved state on a byte. */
  #step(from: number, byte: number, isThorough: boolean): number {
    let state = from
    let next = this.#child(state, byte)
    while (next < 0 && state !== 0) {
      state = this.#fail[state] as number
      next = this.#child(state, byte)
    }
    if (next < 0) next = 0
    else if (this.#fail[next] === UNRESOLVED) this.#resolve(state, byte, next)
    const entry = next | IS_KNOWN | (this.#formLength[next] === 0 ? 0 : ENDS_FORM)
    this.#slowBytes += 1
    const row = this.#row(from, isThorough)
    if (row !== 0) this.#rows[(row << 8) | byte] = entry
    return entry
  }

  #child(state: number, byte: number): number {
    const link = this.#link[state] as number
    if ((link & LINK_BYTE) === byte && (link & HAS_NO_NEXT) === 0) return state + 1
    return (link & HAS_EDGES) === 0 ? -1 : this.#edges.get(state, byte)
  }

  /**
   * Finds the failure link of a child of a resolved state. What a resolved state fails to is resolved too, so the
   * recursion goes to ever shallower states, at most as deep as the longest form.
   */
  #resolve(parent: number, byte: number, state: number): void {
    let target = 0
    if (parent !== 0) {
      let fallback = this.#fail[parent] as number
      target = this.#child(fallback, byte)
      while (target < 0 && fallback !== 0) {
        fallback = this.#fail[fallback] as number
        target = this.#child(fallback, byte)
      }
      if (target < 0) target = 0
      else if (this.#fail[target] === UNRESOLVED) this.#resolve(fallback, byte, target)
    }
    const link = this.#link[state] as number
    const length = (link & IS_FORM) === 0 ? (this.#formLength[target] as number) : (this.#depth[state] as number)
    this.#fail[state] = target
    this.#formLength[state] = length
    if (length === 0 && this.#isNext(parent, state)) this.#link[parent] = (this.#link[parent] as number) & ~LOOK_CLOSER
    this.#remember(state)
  }

  #isNext(parent: number, state: number): boolean {
    return state === parent + 1 && ((this.#link[parent] as number) & HAS_NO_NEXT) === 0
  }

  #remember(state: number): void {
    if (this.#resolvedCount === this.#resolved.length) this.#resolved = widened(this.#resolved, Int32Array, this.#resolvedCount * 2)
    this.#resolved[this.#resolvedCount] = state
    this.#resolvedCount += 1
  }

  /** Forgets every failure link and row, since a new form may be what they should lead to. */
  #forget(): void {
    for (let index = 0; index < this.#resolvedCount; index += 1) {
      const state = this.#resolved[index] as number
      this.#fail[state] = UNRESOLVED
      this.#link[state - 1] = (this.#link[state - 1] as number) | LOOK_CLOSER
    }
    this.#resolvedCount = 0
    this.#dropRows()
  }

  /** Adds one state for each byte after `parent`; returns the last. */
  #append(parent: number, bytes: Uint8Array): number {
    const first = this.#count
    const last = first + bytes.length - 1
    if (last >= this.#link.length) this.#widen(last + 1)
    const byte = bytes[0] as number
    const link = this.#link[parent] as number
    if ((link & HAS_NO_NEXT) !== 0 && parent === first - 1) this.#link[parent] = (link & ~HAS_NO_NEXT) | byte
    else {
      this.#edges.set(parent, byte, first)
      this.#link[parent] = link | HAS_EDGES
    }
    const base = (this.#depth[parent] as number) + 1
    for (let index = 0; index < bytes.length; index += 1) {
      this.#link[first + index] = (bytes[index + 1] ?? HAS_NO_NEXT) | LOOK_CLOSER
      this.#fail[first + index] = UNRESOLVED
      this.#depth[first + index] = base + index
    }
    this.#count = last + 1
    return last
  }

  #widen(needed: number): void {
    const length = Math.min(STATES_MAX, Math.max(needed, Math.ceil(this.#link.length * 1.5)))
    this.#link = widened(this.#link, Uint16Array, length)
    this.#fail = widened(this.#fail, Int32Array, length)
    this.#depth = widened(this.#depth, Uint16Array, length)
    this.#formLength = widened(this.#formLength, Uint16Array, length)
    this.#rowOf = widened(this.#rowOf, Uint16Array, length)
  }

  /** The state's row. A thorough run, which expects mismatches everywhere, makes one for any state; others for forks only. */
  #row(state: number, isThorough: boolean): number {
    const row = this.#rowOf[state] as number
    if (row !== 0 || !(isThorough || ((this.#link[state] as number) & HAS_EDGES) !== 0)) return row
    if (this.#rowCount === ROWS_MAX) {
      if (this.#slowBytes < ROWS_KEPT_FOR) return 0
      this.#dropRows()
    }
    const made = this.#rowCount
    this.#rowCount += 1
    if (made << 8 === this.#rows.length) this.#rows = widened(this.#rows, Int32Array, Math.min(ROWS_MAX << 8, this.#rows.length * 4))
    this.#rowOwners[made] = state
    this.#rowOf[state] = made
    return made
  }

  #dropRows(): void {
    for (let row = 2; row < this.#rowCount; row += 1) this.#rowOf[this.#rowOwners[row] as number] = 0
    this.#rows.fill(0, 0, this.#rowCount << 8)
    this.#rowCount = 2
    this.#slowBytes = 0
  }
}

function widened<A extends Int32Array | Uint16Array>(array: A, type: new (length: number) => A, length: number): A {
  const wider = new type(length)
  wider.set(array)
  return wider
}
