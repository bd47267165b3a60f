// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { CANONICAL_BYTES_MIN, canonicalBytes } from './canonical.ts'
import { dumpAnchors } from './dump-anchors.ts'
import { base32Forms, base64Cores, base64Forms, fullPercentForms, hexForms, nestedForms, numberForms, urlForms } from './encodings.ts'
import { jsonForms, unicodeEscapes, xmlForms, xmlNumericForms } from './escapes.ts'
import { secretFields } from './fields.ts'
import { quotedForms } from './quoting.ts'

/** A line of a longer value must be this long: shorter ones are `data:`, `null`, `}` more often than a secret. */
const LINE_BYTES_MIN = 6

/** A derived form below this would match by chance, like a value that is too short. */
export const FORM_BYTES_MIN = 4

/**
 * Longer forms are matched as pieces of this size, which touch or overlap so that together they cover the form.
 * It bounds what a stream may have to hold back, whatever the length of a value, and masks a long key
 * that is printed only in part.
 */
export const FORM_BYTES_MAX = 1024

/** Encodings that spell out every byte in three to six characters are made of values up to this size only. */
const SPELLED_OUT_BYTES_MAX = 256
/** Encodings of encodings, and of UTF-16, are made of values up to this size only. */
const NESTED_BYTES_MAX = 4096
/** A shorter value is not looked for in dumps. */
const DUMPED_BYTES_MIN = 8

/**
 * Longer values are refused. Untrusted: a job chooses what it asks to mask, and deriving the forms takes time in
 * proportion; GitHub's own secrets end at 48 KiB.
 */
export const VALUE_BYTES_MAX: number = 128 * 1024

export interface DerivedForms {
  /** What the value is matched as: distinct byte strings of {@link FORM_BYTES_MIN} to {@link FORM_BYTES_MAX} bytes. */
  readonly forms: Buffer[]
  /** How dumps begin to show it. */
  readonly anchors: Buffer[]
}

/** Of the value, and of each of its fields that is a secret by itself. */
export function deriveAll(value: string): DerivedForms {
  const values = [value, ...secretFields(value)]
  return { forms: distinct(values.flatMap((each) => deriveForms(each))), anchors: values.flatMap((each) => deriveAnchors(each)) }
}

export function deriveForms(value: string): Buffer[] {
  const forms: Buffer[] = []
  for (const form of spellings(value)) {
    for (const piece of pieces(form)) if (piece.length >= FORM_BYTES_MIN) forms.push(piece)
  }
  return distinct(forms)
}

/** Compared as latin1 strings of their bytes, so that equal spellings are kept once. */
function distinct(forms: readonly Buffer[]): Buffer[] {
  return Array.from(new Set(forms.map((form) => form.toString('latin1'))), (form) => Buffer.from(form, 'latin1'))
}

function deriveAnchors(value: string): Buffer[] {
  const bytes = Buffer.from(value.trim())
  if (bytes.length < DUMPED_BYTES_MIN) return []
  const wide = Buffer.from(value.trim(), 'utf16le')
  const shown = [bytes, wide, Buffer.from(wide).swap16(), ...Array.from(base64Cores(bytes), (core) => Buffer.from(core))]
  return shown.flatMap((each) => dumpAnchors(each))
}

/** Bytes of the value that count. */
export function significantBytes(value: string): number {
  return Buffer.byteLength(value.trim())
}

function* spellings(value: string): Generator<Buffer> {
  const text = value.trim()
  const lines = text.split(/\r\n|\r|\n/)
  yield* exactSpellings(text)
  if (lines.length === 1) {
    yield* escapedSpellings(text)
    return
  }
  yield* multiLineSpellings(text, lines)
  for (const line of new Set(lines.map((each) => each.trim()))) {
    if (!isLong(line)) continue
    yield* plainSpellings(line)
    yield* escapedSpellings(line)
  }
}

function* multiLineSpellings(text: string, lines: readonly string[]): Generator<Buffer> {
  yield* plainSpellings(lines.join('\n'))
  yield* plainSpellings(lines.join('\r\n'))
  // what an unquoted `echo $X` and `tr -d '\n'` print
  yield Buffer.from(text.split(/\s+/).join(' '))
  yield Buffer.from(lines.join(''))
  // Escaping works letter by letter: the escaped lines cover the escaped whole, unless there are lines too short to stand alone.
  if (!lines.every((line) => line.trim() === '' || isLong(line.trim()))) yield* escapedSpellings(text)
}

const isLong = (line: string): boolean => Buffer.byteLength(line) >= LINE_BYTES_MIN

function* plainSpellings(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  yield bytes
  yield* encoded(base64Forms(bytes))
}

/** As it is, and in the encodings that programs choose for bytes. */
function* exactSpellings(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  const isSpelledOut = bytes.length <= SPELLED_OUT_BYTES_MAX
  yield* plainSpellings(text)
  yield* encoded(hexForms(bytes, { separated: isSpelledOut }))
  if (bytes.length <= NESTED_BYTES_MAX) {
    yield* wideSpellings(text)
    yield* encoded(nestedForms(bytes))
  }
  if (!isSpelledOut) return
  yield* encoded(base32Forms(bytes))
  yield* encoded(numberForms(bytes))
  yield* encoded(fullPercentForms(bytes))
  yield* encoded(xmlNumericForms(text))
  yield* encoded(unicodeEscapes(text))
}

/** As UTF-16 of either byte order, and base64 of that. */
function* wideSpellings(text: string): Generator<Buffer> {
  const little = Buffer.from(text, 'utf16le')
  const big = Buffer.from(little).swap16()
  for (const bytes of [little, big]) {
    // Shorter ones would be looked for as they are, and with them any of the 256 bytes: more than the scanner has columns for.
    if (canonicalBytes(bytes).length >= CANONICAL_BYTES_MIN) yield bytes
    yield* encoded(base64Forms(bytes))
    yield Buffer.from(bytes.toString('hex'))
  }
}

/** As it stands inside JSON, markup, URLs and quotes. */
function* escapedSpellings(text: string): Generator<Buffer> {
  // nothing escapes these
  if (/^[A-Za-z0-9._-]*$/.test(text)) return
  yield* encoded(jsonForms(text))
  yield* encoded(xmlForms(text))
  yield* encoded(urlForms(Buffer.from(text)))
  yield* encoded(quotedForms(text))
}

function* encoded(forms: Iterable<string>): Generator<Buffer> {
  for (const form of forms) yield Buffer.from(form)
}

function* pieces(form: Buffer): Generator<Buffer> {
  if (form.length <= FORM_BYTES_MAX) {
    yield form
    return
  }
  for (let start = 0; start + FORM_BYTES_MAX < form.length; start += FORM_BYTES_MAX) yield form.subarray(start, start + FORM_BYTES_MAX)
  yield form.subarray(form.length - FORM_BYTES_MAX)
}
