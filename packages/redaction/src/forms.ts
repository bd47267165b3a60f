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
export const LINE_BYTES_MIN = 6

/** A derived form below this would match by chance, like a value below {@link VALUE_BYTES_MIN}. */
export const FORM_BYTES_MIN = 4

/**
 * Longer forms are matched as pieces of this size, which touch or overlap so that together they cover the form.
 * It bounds what a stream may have to hold back, whatever the length of a value, and masks a long key
 * that is printed only in part.
 */
export const FORM_BYTES_MAX = 1024

/** Encodings that spell out every byte in several characters are made of values up to this size only. */
const SPELLED_OUT_BYTES_MAX = 1024

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
  for (const whole of new Set([text, lines.join('\n'), lines.join('\r\n')])) yield* wholeSpellings(whole)
  if (lines.length === 1) return
  // what an unquoted `echo $X` and `tr -d '\n'` print
  yield Buffer.from(text.split(/\s+/).join(' '))
  yield Buffer.from(lines.join(''))
  for (const line of new Set(lines.map((each) => each.trim()))) {
    if (Buffer.byteLength(line) >= LINE_BYTES_MIN) yield* lineSpellings(line)
  }
}

function* wholeSpellings(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  const isSpelledOut = bytes.length <= SPELLED_OUT_BYTES_MAX
  yield* lineSpellings(text)
  for (const form of hexForms(bytes, { separated: isSpelledOut })) yield Buffer.from(form, 'latin1')
  if (!isSpelledOut) return
  for (const form of fullPercentForms(bytes)) yield Buffer.from(form, 'latin1')
  for (const form of xmlNumericForms(text)) yield Buffer.from(form, 'latin1')
}

/** The forms that logs show by accident; a single line of a longer value gets only these. */
function* lineSpellings(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  yield bytes
  for (const form of jsonForms(text)) yield Buffer.from(form)
  for (const form of xmlForms(text)) yield Buffer.from(form)
  for (const form of urlForms(bytes)) yield Buffer.from(form, 'latin1')
  for (const form of base64Forms(bytes)) yield Buffer.from(form, 'latin1')
}

function* pieces(form: Buffer): Generator<Buffer> {
  if (form.length <= FORM_BYTES_MAX) {
    yield form
    return
  }
  for (let start = 0; start + FORM_BYTES_MAX < form.length; start += FORM_BYTES_MAX) yield form.subarray(start, start + FORM_BYTES_MAX)
  yield form.subarray(form.length - FORM_BYTES_MAX)
}
