// SPDX-License-Identifier: Apache-2.0

/** The bytes that one line of a dump shows, and where in the line its data begins. */
export interface DumpLine {
  readonly dataStart: number
  readonly bytes: readonly number[]
}

const SPACE = 0x20
const COLON = 0x3a
const BACKSLASH = 0x5c
/** `od` and `hexdump` write seven, `xxd` and `hexdump -C` eight. */
const OFFSET_DIGITS_MIN = 7
const OFFSET_DIGITS_MAX = 8
const CELL = 4

const HEX_DIGIT: Int8Array = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16)
  return Number.isNaN(digit) ? -1 : digit
})

const CELL_ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x30, 0],
  [0x61, 7],
  [0x62, 8],
  [0x74, 9],
  [0x6e, 10],
  [0x76, 11],
  [0x66, 12],
  [0x72, 13],
])

/**
 * Where the data of a dump's line begins: after the offset with which `xxd`, `hexdump` and `od` begin each; -1 when it is no such line, or
 * not enough of it is there to tell.
 */
export function dumpDataStart(line: Uint8Array, length: number): number {
  let at = 0
  while (at < length && (HEX_DIGIT[line[at] as number] as number) >= 0) at += 1
  if (at < OFFSET_DIGITS_MIN || at > OFFSET_DIGITS_MAX) return -1
  if (line[at] === COLON) at += 1
  return at < length && line[at] === SPACE ? at : -1
}

/** The layouts of `xxd`, `hexdump`, `hexdump -C` and `od -b`, `-c`, `-o`, `-x`, `-t x1`; null for any other line. */
export function parseDumpLine(line: Uint8Array, length: number): DumpLine | null {
  const dataStart = dumpDataStart(line, length)
  if (dataStart < 0) return null
  const isColon = line[dataStart - 1] === COLON
  let first = dataStart
  while (first < length && line[first] === SPACE) first += 1
  const width = tokenEnd(line, first, length) - first
  const isCells = !isColon && (width === 1 || width === 3 || line[first] === BACKSLASH)
  const bytes = isCells ? readCells(line, dataStart, length) : readWords(line, first, length, { width, isColon })
  return bytes.length === 0 ? null : { dataStart, bytes }
}

function tokenEnd(line: Uint8Array, from: number, length: number): number {
  let at = from
  while (at < length && line[at] !== SPACE) at += 1
  return at
}

/** `od -c` and `od -b`: four columns a byte. */
function readCells(line: Uint8Array, dataStart: number, length: number): number[] {
  const bytes: number[] = []
  for (let cell = dataStart; cell + CELL <= length; cell += CELL) {
    let from = cell
    while (from < cell + CELL - 1 && line[from] === SPACE) from += 1
    const width = cell + CELL - from
    if (width === 1) bytes.push(line[from] as number)
    else if (width === 2 && line[from] === BACKSLASH) bytes.push(CELL_ESCAPES.get(line[from + 1] as number) ?? (line[from + 1] as number))
    else if (width === 3) bytes.push(octal(line, from, 3) & 0xff)
    else return []
  }
  return bytes
}

interface WordLayout {
  readonly width: number
  /** `xxd`: the bytes of a word stand in their order, and two spaces end them. */
  readonly isColon: boolean
}

/** Words of equal width, hexadecimal or, of six digits, octal; what follows them, e.g. the text column, is left. */
function readWords(line: Uint8Array, first: number, length: number, { width, isColon }: WordLayout): number[] {
  const bytes: number[] = []
  const isOctal = width === 6
  if (!isOctal && (width % 2 !== 0 || width > 16)) return bytes
  for (let at = first; at < length; ) {
    const end = tokenEnd(line, at, length)
    if (end - at > width || !isWord(line, at, end)) break
    if (isOctal) pushWord(bytes, octal(line, at, end - at), 2)
    else pushHex(bytes, line, at, end, isColon)
    at = end + 1
    if (line[at] === SPACE && isColon) break
    while (at < length && line[at] === SPACE) at += 1
  }
  return bytes
}

function isWord(line: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if ((HEX_DIGIT[line[at] as number] as number) < 0) return false
  return to > from
}

function pushHex(bytes: number[], line: Uint8Array, from: number, to: number, isInOrder: boolean): void {
  const start = bytes.length
  for (let at = from; at + 1 < to; at += 2)
    bytes.push(((HEX_DIGIT[line[at] as number] as number) << 4) | (HEX_DIGIT[line[at + 1] as number] as number))
  // Little-endian words show their last byte first.
  if (!isInOrder)
    for (let low = start, high = bytes.length - 1; low < high; low += 1, high -= 1)
      [bytes[low], bytes[high]] = [bytes[high] as number, bytes[low] as number]
}

function pushWord(bytes: number[], word: number, size: number): void {
  for (let index = 0; index < size; index += 1) bytes.push((word >>> (8 * index)) & 0xff)
}

function octal(line: Uint8Array, from: number, digits: number): number {
  let value = 0
  for (let at = from; at < from + digits; at += 1) value = value * 8 + (((line[at] as number) - 0x30) & 7)
  return value
}
