// SPDX-License-Identifier: Apache-2.0
import { Projector } from './canonical.ts'
import { dumpDataStart, parseDumpLine } from './dump-line.ts'
import type { Found } from './interval-list.ts'
import type { Scanner } from './scanner.ts'
import { Track } from './track.ts'

const LF = 0x0a
/** Longer lines are no dump's. */
const LINE_BYTES_MAX = 160
/** A line that does not begin as a dump's does is skipped after so many bytes. */
const OPENING_BYTES = 6

/**
 * Reads the bytes that the lines of a dump show (`xxd`, `hexdump`, `od`), through its lines. Where they hold a form, the data of all
 * lines that show a part of it is masked, text columns and all; the offsets stay.
 */
export class DumpReader {
  readonly #projector: Projector = new Projector(false)
  readonly #track: Track
  readonly #line: Uint8Array = new Uint8Array(LINE_BYTES_MAX)
  #length = 0
  #lineStart = 0
  #isSkipping = false

  constructor(scanner: Scanner) {
    this.#track = new Track(scanner, true)
  }

  /** Where the data starts that may belong to a form, or `end`. A line of a dump tells nothing before it is whole. */
  heldFrom(end: number): number {
    const held = this.#track.heldFrom(false, end)
    if (this.#isSkipping) return held
    const dataStart = dumpDataStart(this.#line, this.#length)
    return dataStart < 0 ? held : Math.min(held, this.#lineStart + dataStart)
  }

  read(text: Uint8Array, from: number, to: number, found: Found): void {
    for (let at = from; at < to; at += 1) {
      if (this.#isSkipping) while (at < to && text[at] !== LF) at += 1
      if (at === to) return
      const byte = text[at] as number
      if (byte === LF) {
        if (!this.#isSkipping) this.#readLine(at, found)
        this.#length = 0
        this.#isSkipping = false
        this.#lineStart = at + 1
      } else if (!this.#isSkipping) {
        this.#line[this.#length] = byte
        this.#length += 1
        if (this.#length === LINE_BYTES_MAX || (this.#length <= OPENING_BYTES && !isHexDigit(byte))) this.#skip()
      }
    }
  }

  reread(found: Found): void {
    this.#track.reread(found)
  }

  /** The text goes on at `position`, which may be inside a line. */
  restart(position: number, isLineStart: boolean): void {
    this.#track.reset()
    this.#projector.reset()
    this.#length = 0
    this.#lineStart = position
    this.#isSkipping = !isLineStart
  }

  advance(distance: number): void {
    this.#track.advance(distance)
    this.#lineStart -= distance
  }

  #skip(): void {
    this.#isSkipping = true
    this.#track.reset()
    this.#projector.reset()
  }

  #readLine(end: number, found: Found): void {
    const dump = parseDumpLine(this.#line, this.#length)
    const track = this.#track
    if (dump === null) {
      this.#skip()
      return
    }
    const before = track.count
    this.#projector.project(Uint8Array.from(dump.bytes), 0, dump.bytes.length, track)
    track.places.fill((this.#lineStart + dump.dataStart) << 1, before, track.count)
    track.ends?.fill(end, before, track.count)
    track.read(found)
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}
