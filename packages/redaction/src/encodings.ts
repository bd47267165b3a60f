// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/**
 * Encodings of bytes. Each function yields the spellings that programs in use print for the same
 * bytes; equal spellings may be yielded twice, the caller keeps one.
 */

/** Plain, and with the separators of `openssl`, .NET, Node and C; both letter cases. */
export function* hexForms(bytes: Buffer, options: { readonly separated: boolean }): Generator<string> {
  const lower = bytes.toString('hex')
  yield* bothCases(lower)
  if (!options.separated) return
  const pairs = lower.match(/../g) ?? []
  for (const separator of [':', ' ', '-', ',0x', ', 0x', '\\x']) yield* bothCases(pairs.join(separator))
}

function* bothCases(lower: string): Generator<string> {
  yield lower
  yield lower.toUpperCase()
}

/** As JSON writes an array of bytes, and as C and shells write octal escapes. */
export function* numberForms(bytes: Buffer): Generator<string> {
  const decimal = Array.from(bytes, String)
  yield decimal.join(',')
  yield decimal.join(', ')
  yield Array.from(bytes, (byte) => `\\${octal(byte)}`).join('')
}

export function octal(byte: number): string {
  return byte.toString(8).padStart(3, '0')
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The characters of base32 that depend on these bytes alone, at each of its five alignments. */
export function* base32Forms(bytes: Buffer): Generator<string> {
  for (const phase of [0, 1, 2, 3, 4]) {
    const encoded = base32(Buffer.concat([Buffer.alloc(phase), bytes]))
    const form = encoded.slice(Math.ceil((phase * 8) / 5), Math.floor(((phase + bytes.length) * 8) / 5))
    yield form
    yield form.toLowerCase()
  }
}

function base32(bytes: Buffer): string {
  let encoded = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) encoded += BASE32[(value >>> (bits - 5)) & 31] as string
  }
  return bits === 0 ? encoded : encoded + (BASE32[(value << (5 - bits)) & 31] as string)
}

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** What one family of URL encoders leaves as it is, and whether it writes a space as `+`. */
interface UrlEncoder {
  readonly kept: ReadonlySet<number>
  readonly plusForSpace: boolean
}

const urlEncoder = (kept: string, plusForSpace: boolean = false): UrlEncoder => ({
  kept: new Set(Buffer.from(ALNUM + kept, 'latin1')),
  plusForSpace,
})

const EVERY_BYTE: UrlEncoder = { kept: new Set(), plusForSpace: false }

const URL_ENCODERS: readonly UrlEncoder[] = [
  urlEncoder("-_.!~*'()"), // encodeURIComponent
  urlEncoder('-_.~'), // RFC 3986
  urlEncoder('-_.~', true), // Go, Python quote_plus
  urlEncoder('-_.', true), // PHP urlencode
  urlEncoder('-_.*', true), // HTML forms, Java
  urlEncoder('-_.~/'), // Python quote
  urlEncoder("-_.!~*'();/?:@&=+$,#"), // encodeURI
  urlEncoder('-_.~$&+,;='), // user information, Go
  urlEncoder("-_.~!$&'()*+,;="), // user information, RFC 3986
]

const NESTED_URL_ENCODERS = URL_ENCODERS.filter(({ plusForSpace }) => !plusForSpace).slice(0, 3)

/** Percent-encoding of what each family of encoders escapes; upper and lower case digits. */
export function* urlForms(bytes: Buffer): Generator<string> {
  for (const encoder of URL_ENCODERS) {
    const encoded = percentEncode(bytes, encoder)
    yield encoded
    yield lowerCaseEscapes(encoded)
  }
  // once more, as a URL inside a URL
  for (const encoder of NESTED_URL_ENCODERS) yield percentEncode(Buffer.from(percentEncode(bytes, encoder)), encoder)
}

/** Percent-encoding of every byte. */
export function* fullPercentForms(bytes: Buffer): Generator<string> {
  const encoded = percentEncode(bytes, EVERY_BYTE)
  yield encoded
  yield encoded.toLowerCase()
}

function percentEncode(bytes: Buffer, { kept, plusForSpace }: UrlEncoder): string {
  let encoded = ''
  for (const byte of bytes) {
    if (kept.has(byte)) encoded += String.fromCharCode(byte)
    else if (byte === 0x20 && plusForSpace) encoded += '+'
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

function lowerCaseEscapes(encoded: string): string {
  return encoded.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
}

/**
 * The characters of base64 that depend on these bytes alone, for each of the three alignments at which
 * they can stand inside longer data, in both alphabets; and the whole encoding, as `base64` prints it
 * with and without the newline of `echo`, padded and not.
 */
export function* base64Forms(bytes: Buffer): Generator<string> {
  for (const standard of base64StandardForms(bytes)) {
    yield standard
    yield standard.replaceAll('+', '-').replaceAll('/', '_')
  }
}

function* base64StandardForms(bytes: Buffer): Generator<string> {
  yield* base64Cores(bytes)
  yield* base64Wholes(bytes)
}

/** At each alignment, what depends on the bytes alone. */
export function* base64Cores(bytes: Buffer): Generator<string> {
  for (const phase of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(phase), bytes]).toString('base64')
    yield encoded.slice(Math.ceil((phase * 8) / 6), Math.floor(((phase + bytes.length) * 8) / 6))
  }
}

function* base64Wholes(bytes: Buffer): Generator<string> {
  for (const suffix of ['', '\n']) {
    const encoded = Buffer.concat([bytes, Buffer.from(suffix)]).toString('base64')
    yield encoded
    yield encoded.replace(/=+$/, '')
  }
}

/** What `base64` prints: lines of 76 characters. */
const BASE64_COLUMNS = 76
/** What `xxd -p` prints: lines of 60 characters. */
const HEX_COLUMNS = 60

/** Base64 and hex of base64 and hex. */
export function* nestedForms(bytes: Buffer): Generator<string> {
  for (const inner of base64Cores(bytes)) {
    yield* base64Cores(Buffer.from(inner))
    yield Buffer.from(inner).toString('hex')
    if (!/[+/]/.test(inner)) continue
    yield* urlForms(Buffer.from(inner))
    yield* base64Cores(Buffer.from(inner.replaceAll('+', '-').replaceAll('/', '_')))
  }
  for (const inner of base64Wholes(bytes)) yield* base64Wholes(Buffer.from(inner))
  yield* base64OfLines(bytes.toString('base64'), BASE64_COLUMNS)
  const hex = bytes.toString('hex')
  yield* base64Cores(Buffer.from(hex))
  yield* base64OfLines(hex, HEX_COLUMNS)
  yield Buffer.from(hex).toString('hex')
}

function* base64OfLines(text: string, columns: number): Generator<string> {
  if (text.length <= columns) return
  let lines = ''
  for (let at = 0; at < text.length; at += columns) lines += `${text.slice(at, at + columns)}\n`
  yield* base64Cores(Buffer.from(lines))
}
