// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/** Forms of fewer canonical bytes are compared as they are. */
const CANONICAL_MIN = 8
const GAP_MAX = 64
const BREAK_LEAVES = 3
const DUMP_LINE_MAX = 160

interface Character {
  /** One latin1 character; NUL where too much was left out. */
  readonly as: string
  readonly at: number
  readonly isAfterBreak: boolean
}

/** The text without white space and control characters, in small letters, in one alphabet of base64; by the book, not by tables. */
function canonical(text: Buffer): Character[] {
  const characters: Character[] = []
  let gap = ''
  for (const [at, byte] of text.entries()) {
    if (byte <= 32 || byte === 127) {
      gap += String.fromCharCode(byte)
      if (gap.length === GAP_MAX + 1) characters.push({ as: '\0', at, isAfterBreak: false })
      continue
    }
    const as = String.fromCharCode(byte)
      .replace(/[A-Z]/, (letter) => letter.toLowerCase())
      .replace('-', '+')
      .replace('_', '/')
    characters.push({ as, at, isAfterBreak: /[\r\n]/.test(gap) })
    gap = ''
  }
  return characters
}

const asText = (characters: readonly Character[]): string => characters.map(({ as }) => as).join('')

interface Place {
  readonly from: number
  readonly to: number
}

function* exactPlaces(text: Buffer, form: Buffer): Generator<Place> {
  for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) yield { from: at, to: at + form.length }
}

function* canonicalPlaces(characters: readonly Character[], text: string, form: string): Generator<Place> {
  for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) {
    const from = firstKept(characters, at, at + form.length)
    yield { from: characters[from]?.at as number, to: (characters[at + form.length - 1]?.at as number) + 1 }
  }
}

/** What stands before a line break, when it is little, is left. */
function firstKept(characters: readonly Character[], from: number, to: number): number {
  let first = from
  for (let index = from + 1; index < to && index <= from + BREAK_LEAVES; index += 1) if (characters[index]?.isAfterBreak) first = index
  return first
}

/** For each byte of the text, where the longest form that starts there ends; 0 when none does. */
function endsOfForms(text: Buffer, forms: readonly Buffer[]): number[] {
  const characters = canonical(text)
  const all = asText(characters)
  const ends = new Array<number>(text.length).fill(0)
  for (const form of forms) {
    const key = asText(canonical(form))
    const places = key.length < CANONICAL_MIN ? exactPlaces(text, form) : canonicalPlaces(characters, all, key)
    for (const { from, to } of places) ends[from] = Math.max(ends[from] ?? 0, to)
  }
  return ends
}

/** Bytes from `from` on that a form covers which covers, or touches, the byte before or at `from`. */
export function maskedHead(text: Buffer, from: number, forms: readonly Buffer[]): number {
  let end = from
  for (const [at, to] of endsOfForms(text, forms).entries()) if (at <= end) end = Math.max(end, to)
  return end - from
}

/** What masking means, by brute force: every byte of every form is covered, and each covered run becomes one mask. */
export function maskNaively(text: Buffer, forms: readonly Buffer[]): Buffer {
  const ends = endsOfForms(text, forms)
  const parts: Buffer[] = []
  let maskEnd = -1
  for (let at = 0; at < text.length; at += 1) {
    const end = ends[at] as number
    if (end > at && at > maskEnd) parts.push(Buffer.from('***'))
    maskEnd = Math.max(maskEnd, end > at ? end : -1)
    if (at >= maskEnd) parts.push(text.subarray(at, at + 1))
  }
  return Buffer.concat(parts)
}

/** How much of the end of `text` is the start, but not the whole, of a form, or the data of a dump's line that is not whole. */
export function longestStart(text: Buffer, forms: readonly Buffer[]): number {
  const line = text.subarray(text.lastIndexOf(10) + 1).toString('latin1')
  const offset = /^[0-9A-Fa-f]{7,8}:?(?= )/.exec(line)?.[0]
  const dumped = offset === undefined || line.length >= DUMP_LINE_MAX ? 0 : line.length - offset.length
  return Math.max(dumped, canonicalStart(text, forms))
}

function canonicalStart(text: Buffer, forms: readonly Buffer[]): number {
  const characters = canonical(text)
  const tail = text.subarray((characters.at(-1)?.at ?? -1) + 1)
  if (tail.length > GAP_MAX) return exactStart(text, forms)
  const isAfterBreak = /[\r\n]/.test(tail.toString('latin1'))
  const all = asText(characters)
  let longest = exactStart(text, forms)
  const keys = forms.map((form) => asText(canonical(form))).filter((key) => key.length >= CANONICAL_MIN)
  for (let length = Math.min(all.length, 1023); length > (isAfterBreak ? BREAK_LEAVES : 0); length -= 1) {
    const end = all.slice(all.length - length)
    if (!keys.some((key) => key.length > length && key.startsWith(end))) continue
    const from = firstKept(characters, characters.length - length, characters.length)
    longest = Math.max(longest, text.length - (characters[from]?.at as number))
    break
  }
  return longest
}

function exactStart(text: Buffer, forms: readonly Buffer[]): number {
  const short = forms.filter((form) => asText(canonical(form)).length < CANONICAL_MIN)
  for (let length = Math.min(text.length, Math.max(0, ...short.map((form) => form.length - 1))); length > 0; length -= 1) {
    const end = text.subarray(text.length - length)
    if (short.some((form) => form.length > length && form.subarray(0, length).equals(end))) return length
  }
  return 0
}

/** The numbers of a linear congruential generator, below `limit`. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
