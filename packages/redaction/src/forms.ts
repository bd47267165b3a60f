// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { base64Forms, fullPercentForms, hexForms, urlForms } from './encodings.ts'
import { jsonForms, xmlForms, xmlNumericForms } from './escapes.ts'

/**
 * The shortest value that is masked, in bytes after trimming. Three bytes stand by chance in every few
 * lines of a log (`the`, `0.1`): masking them destroys the log, shows where they stand, and so tells the value
 * rather than hides it. A value that short is guessed faster than it is leaked.
 */
export const VALUE_BYTES_MIN = 4

/** A line of a longer value must be this long: shorter ones are `data:`, `null`, `}` more often than a secret. */
const LINE_BYTES_MIN = 6

/** A derived form below this would match by chance, like a value below {@link VALUE_BYTES_MIN}. */
export const FORM_BYTES_MIN = 4

/**
 * Longer forms are matched as pieces of this size, which touch or overlap so that together they cover the form.
 * It bounds what a stream may have to hold back, whatever the length of a value, and masks a long key
 * that is printed only in part.
 */
export const FORM_BYTES_MAX = 1024

/** Encodings that spell out every byte in three to six characters are made of values up to this size only. */
const SPELLED_OUT_BYTES_MAX = 256

/**
 * Longer values are refused. Untrusted: a job chooses what it asks to mask, and deriving the forms takes time in
 * proportion; GitHub's own secrets end at 48 KiB.
 */
export const VALUE_BYTES_MAX: number = 128 * 1024

/** What the value is matched as: distinct byte strings of {@link FORM_BYTES_MIN} to {@link FORM_BYTES_MAX} bytes. */
export function deriveForms(value: string): Buffer[] {
  // Forms are compared as latin1 strings of their bytes, so that equal spellings are kept once.
  const forms = new Set<string>()
  for (const form of spellings(value)) {
    for (const piece of pieces(form)) {
      if (piece.length >= FORM_BYTES_MIN) forms.add(piece.toString('latin1'))
    }
  }
  return Array.from(forms, (form) => Buffer.from(form, 'latin1'))
}

/** Bytes of the value that count towards {@link VALUE_BYTES_MIN}. */
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
  if (!isSpelledOut) return
  yield* encoded(fullPercentForms(bytes))
  yield* encoded(xmlNumericForms(text))
}

/** As it stands inside JSON, markup and URLs. */
function* escapedSpellings(text: string): Generator<Buffer> {
  // nothing escapes these
  if (/^[A-Za-z0-9._-]*$/.test(text)) return
  yield* encoded(jsonForms(text))
  yield* encoded(xmlForms(text))
  yield* encoded(urlForms(Buffer.from(text)))
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
