// SPDX-License-Identifier: Apache-2.0

/** A text, and how it is read four bytes at a time. */
export interface RawText {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The aligned words in it, in the byte order of the processor: little-endian wherever the runner runs. */
  readonly words: Uint32Array
  /** Bytes before the first aligned word. */
  readonly lead: number
}

const NO_WORDS: Uint32Array = new Uint32Array(0)

export function rawText(bytes: Uint8Array): RawText {
  const { buffer, byteOffset, byteLength } = bytes
  const view = new DataView(buffer, byteOffset, byteLength)
  const lead = -byteOffset & 3
  if (byteLength <= lead) return { bytes, view, words: NO_WORDS, lead: 0 }
  return { bytes, view, words: new Uint32Array(buffer, byteOffset + lead, (byteLength - lead) >> 2), lead }
}
