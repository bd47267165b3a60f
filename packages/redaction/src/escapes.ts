// SPDX-License-Identifier: Apache-2.0

/** How one family of programs writes one code point; null leaves it as it is. */
type Escape = (codePoint: number) => string | null

/** The inside of a JSON string as the common encoders write it, and once more escaped. */
export function* jsonForms(text: string): Generator<string> {
  for (const escape of JSON_ENCODERS) {
    const once = escapeText(text, escape)
    yield once
    yield escapeText(once, jsonMinimal)
  }
}

/** Every character as `\\u0041`. */
export function* unicodeEscapes(text: string): Generator<string> {
  yield escapeText(text, unicodeEscape)
}

/** Named and numeric references for what markup escapes, as the common encoders choose them. */
export function* xmlForms(text: string): Generator<string> {
  for (const escape of XML_ENCODERS) yield escapeText(text, escape)
}

/** Numeric references for every character. */
export function* xmlNumericForms(text: string): Generator<string> {
  yield escapeText(text, decimalReference)
  yield escapeText(text, hexReference)
  yield escapeText(text, upperHexReference)
}

function escapeText(text: string, escape: Escape): string {
  let escaped = ''
  for (const character of text) escaped += escape(character.codePointAt(0) ?? 0) ?? character
  return escaped
}

const hex4 = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`

/** A code point as one or two `\u` escapes. */
function unicodeEscape(codePoint: number): string {
  return Array.from({ length: codePoint > 0xffff ? 2 : 1 }, (_, index) => hex4(String.fromCodePoint(codePoint).charCodeAt(index))).join('')
}

const upperUnicodeEscape: Escape = (codePoint) => unicodeEscape(codePoint).toUpperCase().replaceAll('\\U', '\\u')

const JSON_SHORT: ReadonlyMap<number, string> = new Map([
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
])

const jsonMinimal: Escape = (codePoint) => JSON_SHORT.get(codePoint) ?? (codePoint < 0x20 ? unicodeEscape(codePoint) : null)
const isAmong = (characters: string, codePoint: number): boolean => characters.includes(String.fromCodePoint(codePoint))
const isBeyondAscii = (codePoint: number): boolean => codePoint > 0x7e

const JSON_ENCODERS: readonly Escape[] = [
  jsonMinimal,
  // Python and others that keep to ASCII
  (codePoint) => (isBeyondAscii(codePoint) ? unicodeEscape(codePoint) : jsonMinimal(codePoint)),
  (codePoint) => (isBeyondAscii(codePoint) ? upperUnicodeEscape(codePoint) : jsonMinimal(codePoint)),
  // Go, safe inside HTML
  (codePoint) => (isAmong('<>&\u2028\u2029', codePoint) ? unicodeEscape(codePoint) : jsonMinimal(codePoint)),
  // PHP
  (codePoint) => (codePoint === 0x2f ? '\\/' : isBeyondAscii(codePoint) ? unicodeEscape(codePoint) : jsonMinimal(codePoint)),
  (codePoint) => (codePoint === 0x2f ? '\\/' : jsonMinimal(codePoint)),
  // .NET
  (codePoint) => (isAmong('"<>&\'+`', codePoint) || isBeyondAscii(codePoint) ? upperUnicodeEscape(codePoint) : jsonMinimal(codePoint)),
]

const decimalReference: Escape = (codePoint) => `&#${codePoint};`
const hexReference: Escape = (codePoint) => `&#x${codePoint.toString(16)};`
const upperHexReference: Escape = (codePoint) => `&#x${codePoint.toString(16).toUpperCase()};`

const XML_NAMED: ReadonlyMap<number, string> = new Map([
  [0x26, '&amp;'],
  [0x3c, '&lt;'],
  [0x3e, '&gt;'],
  [0x22, '&quot;'],
  [0x27, '&apos;'],
])

/** An encoder that names only the characters in `named`, and writes others in its own way. */
function markup(named: string, other: Escape = () => null): Escape {
  return (codePoint) => (isAmong(named, codePoint) ? (XML_NAMED.get(codePoint) ?? null) : other(codePoint))
}

const only =
  (characters: string, escape: Escape): Escape =>
  (codePoint) =>
    isAmong(characters, codePoint) ? escape(codePoint) : null
const beyondAscii =
  (escape: Escape): Escape =>
  (codePoint) =>
    isBeyondAscii(codePoint) ? escape(codePoint) : null

const XML_ENCODERS: readonly Escape[] = [
  markup('&<'),
  markup('&<>'),
  markup('&<>"'),
  markup('&<>"\''),
  markup('&<>"', only("'", decimalReference)),
  markup('&<>"', only("'", hexReference)),
  markup('&<>"', (codePoint) => (codePoint === 0x27 ? '&#039;' : null)),
  markup('&<>', only('"\'', decimalReference)),
  only('&<>"\'', decimalReference),
  only('&<>"\'', hexReference),
  // attributes, whose white space is escaped too
  markup('&<>"', only('\t\r\n', decimalReference)),
  markup('&<>"', only('\t\r\n', upperHexReference)),
  // encoders that keep to ASCII
  markup('&<>', beyondAscii(decimalReference)),
  markup('&<>"', beyondAscii(decimalReference)),
  markup('&<>"', beyondAscii(upperHexReference)),
]
