// SPDX-License-Identifier: Apache-2.0
import { Automaton } from './automaton.ts'
import type { Found } from './interval-list.ts'
import { ShiftFilter } from './shift-filter.ts'

/** A jump that gains less than this many bytes costs more than reading them. */
const WORTHWHILE_BYTES = 12
/** So many bad jumps more than good ones, and the text is read byte by byte for a while. */
const BAD_JUMPS_MAX = 16
const THOROUGH_BYTES = 4096

/**
 * Finds every place of every form. The filter jumps from one possible start to the next, the automaton reads on from there.
 * Untrusted: a job can print text in which every place is a possible start; the jumps' gain is measured, and where
 * they do not pay the automaton reads alone, in linear time whatever the text.
 */
export class Scanner {
  readonly #automaton: Automaton = new Automaton()
  readonly #filter: ShiftFilter = new ShiftFilter()
  #badJumps = 0
  #formCount = 0

  /** Changes whenever a form is added. */
  get formCount(): number {
    return this.#formCount
  }

  get bytes(): number {
    return this.#automaton.bytes + this.#filter.bytes
  }

  /** Bytes of all forms; those with which several forms start count once. */
  get formBytes(): number {
    return this.#automaton.states - 1
  }

  /** False when the form was known. */
  add(form: Uint8Array): boolean {
    if (!this.#automaton.add(form)) return false
    this.#filter.add(form)
    this.#formCount += 1
    return true
  }

  /** Number of bytes at the end of the text so far that are the longest proper start of a form. */
  depth(state: number): number {
    return this.#automaton.depth(state)
  }

  /** The state without a whole form that no form goes on from. */
  open(state: number): number {
    return this.#automaton.open(state)
  }

  /** Reads on in `state`, the root is 0; intervals are relative to `text`, and may start before it. */
  scan(text: Uint8Array, from: number, found: Found): number {
    const automaton = this.#automaton
    if (this.#formCount === 0 || text.length < this.#filter.window) return automaton.run(text, 0, text.length, from, found, true)
    const view = new DataView(text.buffer, text.byteOffset, text.byteLength)
    let state = from
    let position = 0
    while (position < text.length) {
      const start = position - automaton.depth(state)
      // A start in an earlier chunk cannot be jumped over: its bytes are not in this text.
      const jumped = start < 0 ? start : this.#jump(text, view, start)
      if (jumped >= position) {
        state = 0
        position = jumped
      }
      const isLast = text.length - position < this.#filter.window
      const isThorough = isLast || this.#badJumps > BAD_JUMPS_MAX
      const end = isLast ? text.length : isThorough ? Math.min(text.length, position + THOROUGH_BYTES) : text.length
      if (isThorough) this.#badJumps = Math.min(this.#badJumps, BAD_JUMPS_MAX / 2)
      state = automaton.run(text, position, end, state, found, isThorough)
      position = automaton.position
    }
    return state
  }

  #jump(text: Uint8Array, view: DataView, start: number): number {
    const jumped = this.#filter.next(text, view, start)
    if (jumped - start >= WORTHWHILE_BYTES) this.#badJumps = Math.max(0, this.#badJumps - 1)
    else this.#badJumps += 1
    return jumped
  }
}
