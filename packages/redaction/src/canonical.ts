// SPDX-License-Identifier: Apache-2.0

/** Shorter forms are looked for as they are: with letter case and white space left out they would stand in ordinary text by chance. */
export const CANONICAL_BYTES_MIN = 8

/** Longer runs of dropped bytes end whatever was being read: it bounds what a stream may have to hold back. */
export const GAP_BYTES_MAX = 64

const LF = 0x0a
const CR = 0x0d
const ESC = 0x1b
const BEL = 0x07

/**
 * What programs change about a text without meaning to: letter case, the two alphabets of base64, and white space and control
 * characters, which are dropped. 0 stands for "dropped".
 */
const CANONICAL: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte <= 0x20 || byte === 0x7f) return 0
  if (byte >= 0x41 && byte <= 0x5a) return byte | 0x20
  if (byte === 0x2d) return 0x2b
  return byte === 0x5f ? 0x2f : byte
})

export function canonicalBytes(bytes: Uint8Array): Uint8Array {
  const canonical = new Uint8Array(bytes.length)
  let count = 0
  for (const byte of bytes) {
    const mapped = CANONICAL[byte] as number
    canonical[count] = mapped
    if (mapped !== 0) count += 1
  }
  return canonical.subarray(0, count)
}

/** Where the canonical bytes of a text go, and where each came from. */
export interface CanonicalSink {
  readonly bytes: Uint8Array
  /** Twice the byte's position in the raw text, and 1 more where a line break stands before it. */
  readonly places: Int32Array
  count: number
}

/** Where in a terminal's control sequence a text is. */
const TEXT = 0
const ESCAPE = 1
const PARAMETERS = 2
const STRING = 3
const STRING_ESCAPE = 4

/**
 * Makes the canonical form of a text piece by piece. One that `skipsEscapes` drops a terminal's control sequences whole (ECMA-48);
 * else only the escape character is dropped, and what follows is text.
 */
export class Projector {
  readonly #skipsEscapes: boolean
  #mode = TEXT
  #gap = 0
  #isAfterBreak = 0

  constructor(skipsEscapes: boolean) {
    this.#skipsEscapes = skipsEscapes
  }

  /** A line break, and nothing but what is dropped, stands at the end of the text so far. */
  get isAfterBreak(): boolean {
    return this.#isAfterBreak === 1
  }

  get isInEscape(): boolean {
    return this.#mode !== TEXT
  }

  reset(): void {
    this.#mode = TEXT
    this.#gap = 0
    this.#isAfterBreak = 0
  }

  continueFrom({ isAfterBreak }: Projector): void {
    this.reset()
    this.#isAfterBreak = isAfterBreak ? 1 : 0
  }

  project(text: Uint8Array, from: number, to: number, sink: CanonicalSink): void {
    const { bytes, places } = sink
    const table = CANONICAL
    let count = sink.count
    let at = from
    while (at < to) {
      if (this.#gap > 0) {
        count = this.#projectGap(text, at, sink, count)
        at += 1
        continue
      }
      for (; at < to; at += 1) {
        const canonical = table[text[at] as number] as number
        if (canonical === 0) break
        bytes[count] = canonical
        places[count] = at << 1
        count += 1
      }
      if (at < to) {
        count = this.#projectGap(text, at, sink, count)
        at += 1
      }
    }
    sink.count = count
  }

  /** A byte that is dropped, or stands after some that were. */
  #projectGap(text: Uint8Array, at: number, { bytes, places }: CanonicalSink, count: number): number {
    const byte = text[at] as number
    const canonical = this.#mode === TEXT ? (CANONICAL[byte] as number) : 0
    if (canonical === 0 && !this.#drop(byte)) return count
    // 0 stands in no form: it ends what was being read.
    bytes[count] = canonical
    places[count] = (at << 1) | (canonical === 0 ? 0 : this.#isAfterBreak)
    if (canonical !== 0) {
      this.#gap = 0
      this.#isAfterBreak = 0
    }
    return count + 1
  }

  /** True when the run of dropped bytes has just become too long. */
  #drop(byte: number): boolean {
    this.#gap += 1
    if (this.#mode !== TEXT) this.#mode = next(this.#mode, byte)
    else if (byte === ESC && this.#skipsEscapes) this.#mode = ESCAPE
    else if (byte === LF || byte === CR) this.#isAfterBreak = 1
    return this.#gap === GAP_BYTES_MAX + 1
  }
}

/** ECMA-48: CSI has parameters and ends with a letter; OSC, DCS, SOS, PM and APC hold a string; others have one or two bytes. */
function next(mode: number, byte: number): number {
  if (byte === ESC) return mode === STRING || mode === STRING_ESCAPE ? STRING_ESCAPE : ESCAPE
  switch (mode) {
    case ESCAPE:
      if (byte === 0x5b) return PARAMETERS
      if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) return STRING
      return byte >= 0x20 && byte <= 0x2f ? ESCAPE : TEXT
    case PARAMETERS:
      return byte >= 0x20 && byte <= 0x3f ? PARAMETERS : TEXT
    case STRING:
      return byte === BEL ? TEXT : STRING
    default:
      return byte === 0x5c ? TEXT : STRING
  }
}
