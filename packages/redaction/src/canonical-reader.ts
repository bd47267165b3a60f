// SPDX-License-Identifier: Apache-2.0
import { BLOCK_BYTES_MAX } from './anchor-filter.ts'
import { GAP_BYTES_MAX, Projector } from './canonical.ts'
import type { CanonicalScanner } from './canonical-scanner.ts'
import { DumpReader } from './dump-reader.ts'
import { IntervalList } from './interval-list.ts'
import { rawText } from './raw-text.ts'
import { TRACK_BATCH_BYTES, Track } from './track.ts'

const LF = 0x0a
const ESC = 0x1b
/** Read at a time before it is tried again to jump ahead: more each time that it was of no use. */
const BATCH_BYTES_MIN = 256
/** A form starts at most so far before its first anchor. */
const HEAD_BYTES = BLOCK_BYTES_MAX + GAP_BYTES_MAX
/** Reading begins so far before an anchor: a line of a dump more, so that the line in which a form starts is read whole. */
const BACK_BYTES = HEAD_BYTES + 160

/**
 * One stream's reading in canonical form. Only the neighbourhood of anchors and of terminal sequences is read, and the end of each chunk.
 *
 * Three readings stand side by side. The first drops white space and control characters. The second takes the first's place
 * where a terminal sequence stands inside what may be a form, and ends when nothing from before the sequence is left. The third is
 * of the bytes that dumps show.
 */
export class CanonicalReader {
  readonly #scanner: CanonicalScanner
  readonly #projector: Projector = new Projector(false)
  readonly #track: Track
  readonly #dump: DumpReader
  /** What the second and the third reading found. */
  readonly #foundElsewhere: IntervalList = new IntervalList()
  readonly #skipping: Projector = new Projector(true)
  readonly #skippingTrack: Track
  #isSkipping = false
  /** Canonical bytes since the last terminal sequence. */
  #sinceEscape = 0

  constructor(scanner: CanonicalScanner) {
    this.#scanner = scanner
    this.#track = new Track(scanner.scanner)
    this.#skippingTrack = new Track(scanner.scanner)
    this.#dump = new DumpReader(scanner.scanner)
  }

  /** The first byte that may be the start of a form which the text so far does not tell; `end` when there is none. */
  heldFrom(end: number): number {
    const held = Math.min(this.#track.heldFrom(this.#projector.isAfterBreak, end), this.#dump.heldFrom(end))
    return this.#isSkipping ? Math.min(held, this.#skippingTrack.heldFrom(this.#skipping.isAfterBreak, end)) : held
  }

  read(text: Uint8Array, found: IntervalList): void {
    const { longAnchors, shortAnchors } = this.#scanner
    const raw = rawText(text)
    let at = 0
    let long = -1
    let short = -1
    let batch = BATCH_BYTES_MIN
    let escape = text.indexOf(ESC)
    while (at < text.length) {
      const from = this.#origin(at)
      if (from >= 0) {
        if (long < from) long = longAnchors.next(raw, from)
        if (short < from) short = shortAnchors.next(raw, from)
        if (escape >= 0 && escape < from) escape = text.indexOf(ESC, from)
        const to = Math.min(long, short, escape < 0 ? text.length : escape) - BACK_BYTES
        if (to > at) {
          at = this.#restart(text, to)
          batch = BATCH_BYTES_MIN
        }
      }
      const end = Math.min(text.length, at + batch)
      this.#readBatch(text, at, end, found)
      at = end
      batch = Math.min(2 * batch, TRACK_BATCH_BYTES)
    }
    found.merge(this.#foundElsewhere)
  }

  /** The next chunk begins `distance` bytes further on. */
  advance(distance: number): void {
    this.#track.advance(distance)
    this.#skippingTrack.advance(distance)
    this.#dump.advance(distance)
  }

  /** Forms were added: what is held is read again. */
  reread(found: IntervalList): void {
    this.#track.reread(found)
    if (this.#isSkipping) this.#skippingTrack.reread(found)
    this.#dump.reread(found)
  }

  end(): void {
    this.#forget()
    this.#dump.restart(0, true)
  }

  /** The start of what may become a form; anchors before it are of no use any more. */
  #origin(at: number): number {
    const first = this.#track.depth === 0 ? at : this.#track.origin
    const second = this.#isSkipping ? this.#skippingTrack.origin : at
    return Math.min(first, second, this.#dump.heldFrom(at))
  }

  #forget(): void {
    this.#track.reset()
    this.#projector.reset()
    this.#isSkipping = false
  }

  /** Goes on at `to`, or at a line that starts a little later, but early enough. */
  #restart(text: Uint8Array, to: number): number {
    this.#forget()
    const lineEnd = text.subarray(to, to + BACK_BYTES - HEAD_BYTES).indexOf(LF)
    const start = lineEnd < 0 ? to : to + lineEnd + 1
    this.#dump.restart(start, lineEnd >= 0)
    return start
  }

  /** Between terminal sequences all at once: where one begins, the second reading may have to. */
  #readBatch(text: Uint8Array, from: number, to: number, found: IntervalList): void {
    const batch = text.subarray(from, to)
    for (let at = from; at < to; ) {
      const escape = batch.indexOf(ESC, at + 1 - from)
      const end = escape < 0 ? to : from + escape
      if (text[at] === ESC) this.#beginSkipping()
      this.#projector.project(text, at, end, this.#track)
      this.#track.read(found)
      if (this.#isSkipping) this.#readSkipping(text, at, end)
      at = end
    }
    this.#dump.read(text, from, to, this.#foundElsewhere)
  }

  #beginSkipping(): void {
    this.#sinceEscape = 0
    if (this.#isSkipping || this.#track.depth === 0) return
    this.#isSkipping = true
    this.#skippingTrack.copyFrom(this.#track)
    this.#skipping.continueFrom(this.#projector)
  }

  #readSkipping(text: Uint8Array, from: number, to: number): void {
    const track = this.#skippingTrack
    const before = track.count
    this.#skipping.project(text, from, to, track)
    this.#sinceEscape += track.count - before
    track.read(this.#foundElsewhere)
    if (!this.#skipping.isInEscape && track.depth <= this.#sinceEscape) this.#isSkipping = false
  }
}
