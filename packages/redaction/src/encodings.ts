// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/**
 * Encodings of bytes. Each function yields the spellings that programs in use print for the same
 * bytes; equal spellings may be yielded twice, the caller keeps one.
 */

/** Plain, and with the separators of `openssl`, `xxd -p | sed` and hex dumps; both letter cases. */
export function* hexForms(bytes: Buffer, options: { readonly separated: boolean }): Generator<string> {
  const lower = bytes.toString('hex')
  yield lower
  yield lower.toUpperCase()
  if (!options.separated) return
  const pairs = lower.match(/../g) ?? []
  for (const separator of [':', ' ']) {
    yield pairs.join(separator)
    yield pairs.join(separator).toUpperCase()
  }
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

/** Percent-encoding of what each family of encoders escapes; upper and lower case digits. */
export function* urlForms(bytes: Buffer): Generator<string> {
  for (const encoder of URL_ENCODERS) {
    const encoded = percentEncode(bytes, encoder)
    yield encoded
    yield lowerCaseEscapes(encoded)
  }
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
  for (const phase of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(phase), bytes]).toString('base64')
    yield encoded.slice(Math.ceil((phase * 8) / 6), Math.floor(((phase + bytes.length) * 8) / 6))
  }
  for (const suffix of ['', '\n']) {
    const encoded = Buffer.concat([bytes, Buffer.from(suffix)]).toString('base64')
    yield encoded
    yield encoded.replace(/=+$/, '')
  }
}
