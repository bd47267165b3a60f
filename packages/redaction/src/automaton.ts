// SPDX-License-Identifier: Apache-2.0
import { EdgeMap } from './edge-map.ts'
import type { Found } from './interval-list.ts'
import {
  ENTRY_DEPTH_SHIFT,
  ENTRY_ENDS_FORM,
  ENTRY_IS_KNOWN,
  ENTRY_IS_ROW,
  ENTRY_IS_SHALLOW,
  ENTRY_TARGET,
  ROOT_ROW,
  RowCache,
} from './row-cache.ts'
import { widened } from './widened.ts'

/** A state's `#link` holds the byte that leads to the next state, and these facts. */
const LINK_BYTE = 0xff
/** The next state is not resolved, or a form ends there, or there is none: look closer. */
const LOOK_CLOSER = 0x100
const HAS_NO_NEXT = 0x200
const HAS_EDGES = 0x400
const IS_FORM = 0x800

const UNRESOLVED = -1
/** Bytes that are read again after a jump that failed; more would make jumps dear, fewer rare, and not fit an entry. */
const SHALLOW_BYTES = 3

export const STATES_MAX: number = 1 << 24

/**
 * The automaton of Aho and Corasick over all forms, built for adding forms at any time: the trie grows by the new form
 * alone, and failure links are found when a text first leads to a state. Adding a form forgets the links that were
 * found, at no more than the cost of finding them.
 *
 * A form's states have consecutive numbers, so that following a form costs one comparison a byte. The other edges stand in a
 * map; states that have such edges get a row, a dense table of their successors, when a text leads to them.
 */
export class Automaton {
  #count = 1
  #link: Uint16Array = new Uint16Array(1024)
  #fail: Int32Array = new Int32Array(1024)
  #depth: Uint16Array = new Uint16Array(1024)
  /** Length of the longest form that ends in a resolved state; 0 when none does. */
  #formLength: Uint16Array = new Uint16Array(1024)
  readonly #edges: EdgeMap = new EdgeMap()
  readonly #rows: RowCache = new RowCache()

  #resolved: Int32Array = new Int32Array(256)
  #resolvedCount = 0

  /** Where the last {@link run} stopped. */
  position = 0

  constructor() {
    this.#link[0] = HAS_NO_NEXT | LOOK_CLOSER
  }

  get states(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#link.length * 10 + this.#edges.bytes + this.#rows.bytes + this.#resolved.byteLength
  }

  /** Number of bytes of the longest start of a form with which the text so far ends. */
  depth(state: number): number {
    return this.#depth[state] as number
  }

  /** A state that the text led to, or, for a whole form that no form goes on from, what it fails to: what follows leads to the same. */
  open(state: number): number {
    let open = state
    while (open !== 0 && ((this.#link[open] as number) & (HAS_NO_NEXT | HAS_EDGES)) === HAS_NO_NEXT) open = this.#fail[open] as number
    return open
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
    this.#rows.addBytes(form)
    if (matched < form.length) state = this.#append(state, form.subarray(matched))
    this.#link[state] = (this.#link[state] as number) | IS_FORM
    return true
  }

  /**
   * Reads `text` from `start` on in `from`, adds each place where a form ends to `found`, and returns the new state. Unless
   * `isThorough`, stops early, at {@link position}, once no form can start where the first one read could have started, and
   * only the last few bytes are the start of one.
   */
  run(text: Uint8Array, start: number, end: number, from: number, found: Found, isThorough: boolean): number {
    const origin = Math.max(-1, start - (this.#depth[from] as number))
    const link = this.#link
    const fail = this.#fail
    const formLength = this.#formLength
    const { columns, owners, rowOf, widthBits } = this.#rows
    const notable = isThorough ? ENTRY_ENDS_FORM : ENTRY_ENDS_FORM | ENTRY_IS_SHALLOW
    let entries = this.#rows.entries
    // Where there is a row, it stands for its owner, and the state is of no meaning: each array that is not looked into is a cache line less.
    let state = from
    let row = rowOf[state] as number
    let position = start
    while (position < end) {
      let entry = 0
      if (row !== 0) entry = entries[(row << widthBits) | (columns[text[position] as number] as number)] as number
      else {
        let next = link[state] as number
        while ((next & (LINK_BYTE | LOOK_CLOSER)) === text[position]) {
          state += 1
          position += 1
          if (position === end) break
          next = link[state] as number
        }
        if (position === end) break
        // No other state has a row.
        if ((next & HAS_EDGES) !== 0) row = rowOf[state] as number
        if (row !== 0) continue
        const isNext = (next & (LINK_BYTE | HAS_NO_NEXT)) === text[position]
        if (isNext && fail[state + 1] !== UNRESOLVED) {
          // A form ends in the next state, else it had been reached above.
          state += 1
          position += 1
          found.add(position - (formLength[state] as number), position)
          continue
        }
        if (!isNext && (next & HAS_EDGES) === 0) {
          state = fail[state] as number
          if (state === 0) row = ROOT_ROW
          continue
        }
      }
      if (entry === 0) {
        entry = this.#step(row === 0 ? state : (owners[row] as number), text[position] as number)
        entries = this.#rows.entries
      }
      position += 1
      state = entry & ENTRY_TARGET
      row = (entry & ENTRY_IS_ROW) === 0 ? 0 : state
      if ((entry & notable) === 0) continue
      if ((entry & ENTRY_ENDS_FORM) !== 0)
        found.add(position - (formLength[row === 0 ? state : (owners[row] as number)] as number), position)
      if (!isThorough && (entry & ENTRY_IS_SHALLOW) !== 0 && position - (entry >>> ENTRY_DEPTH_SHIFT) > origin) break
    }
    this.position = position
    return row === 0 ? state : (owners[row] as number)
  }

  /** The entry for what follows a resolved state on a byte; kept in the state's row, if it is to have one. */
  #step(from: number, byte: number): number {
    let state = from
    let next = this.#child(state, byte)
    while (next < 0 && state !== 0) {
      state = this.#fail[state] as number
      next = this.#child(state, byte)
    }
    if (next < 0) next = 0
    else if (this.#fail[next] === UNRESOLVED) this.#resolve(state, byte, next)
    const fromRow = this.#row(from)
    const nextRow = this.#row(next)
    const entry =
      (nextRow === 0 ? next : nextRow | ENTRY_IS_ROW) |
      (this.#formLength[next] === 0 ? 0 : ENTRY_ENDS_FORM) |
      this.#shallow(next) |
      ENTRY_IS_KNOWN
    // Making the second row may have dropped the first.
    if (fromRow !== 0 && this.#rows.rowOf[from] === fromRow) {
      this.#rows.entries[(fromRow << this.#rows.widthBits) | (this.#rows.columns[byte] as number)] = entry
    }
    return entry
  }

  #shallow(state: number): number {
    const depth = this.#depth[state] as number
    return depth > SHALLOW_BYTES ? 0 : ENTRY_IS_SHALLOW | (depth << ENTRY_DEPTH_SHIFT)
  }

  #row(state: number): number {
    return state === 0 || ((this.#link[state] as number) & HAS_EDGES) !== 0 ? this.#rows.row(state) : 0
  }

  #child(state: number, byte: number): number {
    const link = this.#link[state] as number
    if ((link & (LINK_BYTE | HAS_NO_NEXT)) === byte) return state + 1
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
    const parentLink = this.#link[parent] as number
    if (length === 0 && state === parent + 1 && (parentLink & HAS_NO_NEXT) === 0) this.#link[parent] = parentLink & ~LOOK_CLOSER
    this.#remember(state)
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
    this.#rows.drop()
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
    this.#rows.widen(length)
  }
}
