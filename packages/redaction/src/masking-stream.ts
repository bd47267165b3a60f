// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { CanonicalReader } from './canonical-reader.ts'
import type { CanonicalScanner } from './canonical-scanner.ts'
import type { RedactionStream } from './contract.ts'
import { IntervalList } from './interval-list.ts'
import type { Scanner } from './scanner.ts'

const MASK = '***'
const MASK_BYTES: Buffer = Buffer.from(MASK)
const NOTHING: Uint8Array = new Uint8Array(0)
/** Longer writes are read in parts of this size: positions are kept doubled in 32 bits, and a part's masks in a list. */
const PART_BYTES_MAX: number = 1 << 24

/** What a stream looks for: each form is in one of the two. */
export interface FormScanners {
  readonly exact: Scanner
  readonly canonical: CanonicalScanner
}

function formCountOf({ exact, canonical }: FormScanners): number {
  return exact.formCount + canonical.formCount
}

/**
 * Replaces each run of overlapping or touching forms by one mask.
 *
 * The bytes that can still become the start of a form are the `tail`: always exactly the longest such end of the text. Its
 * last `pendingBytes` are not released yet; those before them were part of a form, and their mask is
 * released.
 */
export class MaskingStream implements RedactionStream {
  readonly #forms: FormScanners
  readonly #reader: CanonicalReader
  /** What was found and is not released yet, relative to the next chunk's first byte. */
  readonly #found: IntervalList = new IntervalList()
  readonly #foundExactly: IntervalList = new IntervalList()
  #state = 0
  #tail: Uint8Array = NOTHING
  #pendingBytes = 0
  #maskedCount = 0
  /** The last thing released was a mask: a form that touches it belongs to the same one. */
  #endsWithMask = false
  #formCount: number

  constructor(forms: FormScanners) {
    this.#forms = forms
    this.#reader = new CanonicalReader(forms.canonical)
    this.#formCount = formCountOf(forms)
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get maskedCount(): number {
    return this.#maskedCount
  }

  write(chunk: Uint8Array): Uint8Array {
    return joined(this.pieces(chunk))
  }

  pieces(chunk: Uint8Array): readonly Uint8Array[] {
    if (chunk.length <= PART_BYTES_MAX) return this.#writePart(chunk)
    const released: Uint8Array[] = []
    for (let at = 0; at < chunk.length; at += PART_BYTES_MAX) released.push(...this.#writePart(chunk.subarray(at, at + PART_BYTES_MAX)))
    return released
  }

  #writePart(chunk: Uint8Array): readonly Uint8Array[] {
    this.#rescanTail()
    const { exact, canonical } = this.#forms
    if (exact.formCount > 0) {
      this.#state = exact.open(exact.scan(chunk, this.#state, this.#foundExactly))
      this.#found.merge(this.#foundExactly)
    }
    if (canonical.formCount > 0) this.#reader.read(chunk, this.#found)
    const held = canonical.formCount > 0 ? chunk.length - this.#reader.heldFrom(chunk.length) : 0
    return this.#release(chunk, Math.max(held, exact.depth(this.#state)))
  }

  end(): Uint8Array {
    this.#rescanTail()
    const rest = this.#release(NOTHING, 0)
    this.#state = 0
    this.#reader.end()
    this.#endsWithMask = false
    return joined(rest)
  }

  /** The tail under the forms that were added meanwhile. It stays the longest start of a form: what came before it is gone. */
  #rescanTail(): void {
    if (this.#formCount === formCountOf(this.#forms)) return
    this.#formCount = formCountOf(this.#forms)
    const { exact } = this.#forms
    const again = new IntervalList()
    this.#state = exact.open(exact.scan(this.#tail, 0, again))
    again.advance(0, this.#tail.length)
    this.#found.merge(again)
    this.#reader.reread(this.#found)
    let released = 0
    while (released < this.#found.count && this.#found.end(released) <= -this.#pendingBytes) released += 1
    this.#found.advance(released, 0)
  }

  /** Releases everything before the last `tailBytes`, and what of these is masked already. */
  #release(chunk: Uint8Array, tailBytes: number): readonly Uint8Array[] {
    const from = -this.#pendingBytes
    const found = this.#found
    let to = Math.max(from, chunk.length - tailBytes)
    let released = 0
    while (released < found.count && found.start(released) <= to) {
      to = Math.max(to, found.end(released))
      released += 1
    }
    const output = released === 0 ? this.#views(chunk, from, to) : notEmpty(this.#masked(chunk, from, to, released))
    if (released > 0 || to > from) this.#endsWithMask = released > 0 ? found.end(released - 1) === to : false
    found.advance(released, chunk.length)
    this.#reader.advance(chunk.length)
    this.#tail = this.#lastBytes(chunk, tailBytes)
    this.#pendingBytes = chunk.length - to
    return output
  }

  /** The bytes from `from` to `to` with a mask for each of the first `count` intervals. */
  #masked(chunk: Uint8Array, from: number, to: number, count: number): Uint8Array {
    // Forms are longer than the mask, but for one that was half released: its rest may be shorter.
    const output = Buffer.allocUnsafeSlow(to - from + MASK.length)
    let length = 0
    let position = from
    for (let index = 0; index < count; index += 1) {
      const start = this.#found.start(index)
      length = this.#copy(chunk, position, start, output, length)
      if (index > 0 || !this.#endsWithMask || start > from) {
        length = copy(MASK_BYTES, 0, MASK.length, output, length)
        this.#maskedCount += 1
      }
      position = this.#found.end(index)
    }
    length = this.#copy(chunk, position, to, output, length)
    return output.subarray(0, length)
  }

  /** Copies bytes by position relative to the chunk; negative ones are in the tail. */
  #copy(chunk: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
    if (from >= 0) return copy(chunk, from, to, target, at)
    const tail = this.#tail
    const next = copy(tail, tail.length + from, tail.length + Math.min(0, to), target, at)
    return copy(chunk, 0, to, target, next)
  }

  /** The same bytes where they are. A tail is never written again, so that a view of it stays true. */
  #views(chunk: Uint8Array, from: number, to: number): readonly Uint8Array[] {
    if (to === from) return []
    if (from >= 0) return [from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to)]
    const tail = this.#tail
    const before = tail.subarray(tail.length + from, tail.length + Math.min(0, to))
    return to <= 0 ? [before] : [before, chunk.subarray(0, to)]
  }

  /** The new tail. */
  #lastBytes(chunk: Uint8Array, count: number): Uint8Array {
    if (count === 0) return NOTHING
    const tail = new Uint8Array(count)
    this.#copy(chunk, chunk.length - count, chunk.length, tail, 0)
    return tail
  }
}

/** What goes on from a value whose mask is out already leaves nothing. */
function notEmpty(piece: Uint8Array): readonly Uint8Array[] {
  return piece.length === 0 ? [] : [piece]
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only = NOTHING] = pieces
  return pieces.length > 1 ? Buffer.concat(pieces) : only
}

/** Copies a range, which may be empty; returns where the next one goes. Short ranges, of which there can be many, are copied by hand. */
function copy(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  if (to <= from) return at
  if (to - from > 64) target.set(source.subarray(from, to), at)
  else for (let index = from; index < to; index += 1) target[at + index - from] = source[index] as number
  return at + to - from
}
