// SPDX-License-Identifier: Apache-2.0
// The few types of ASN.1 that a certificate is made of, in DER (ITU-T X.690). It only writes: nothing that somebody else made is read.

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

export const sequence = (...members: readonly Buffer[]): Buffer => element(TAG.sequence, Buffer.concat(members))
export const setOf = (member: Buffer): Buffer => element(TAG.set, member)
export const octetString = (content: Buffer): Buffer => element(TAG.octetString, content)
export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text))
export const trueValue = (): Buffer => element(TAG.boolean, Buffer.from([0xff]))

/** [tag] EXPLICIT, or IMPLICIT of a constructed type. */
export const constructed = (tag: number, ...members: readonly Buffer[]): Buffer => element(0xa0 | tag, Buffer.concat(members))

/** [tag] IMPLICIT of a type that has no members. */
export const primitive = (tag: number, content: Buffer): Buffer => element(0x80 | tag, content)

/** Not negative: `magnitude` is big-endian. */
export function integer(magnitude: Buffer): Buffer {
  const first = magnitude.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Buffer.from([0]) : magnitude.subarray(first)
  return element(TAG.integer, (digits[0] as number) >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits)
}

/** `unusedBits` at the end of the last byte are zero and do not count. */
export const bitString = (content: Buffer, unusedBits = 0): Buffer =>
  element(TAG.bitString, Buffer.concat([Buffer.from([unusedBits]), content]))

/** e.g. `2.5.29.19`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(TAG.objectIdentifier, Buffer.concat([Buffer.from([first * 40 + second]), ...rest.map(base128)]))
}

/** Whole seconds; RFC 5280 section 4.1.2.5 wants UTCTime up to 2049 and GeneralizedTime after. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return date.getUTCFullYear() < 2050
    ? element(TAG.utcTime, Buffer.from(digits.slice(2)))
    : element(TAG.generalizedTime, Buffer.from(digits))
}

function base128(value: number): Buffer {
  const digits = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80)
  return Buffer.from(digits)
}

function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content])
}

function lengthOf(content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.from([content.length])
  if (content.length < 0x100) return Buffer.from([0x81, content.length])
  return content.length < 0x10000
    ? Buffer.from([0x82, content.length >> 8, content.length & 0xff])
    : Buffer.from([0x83, content.length >> 16, (content.length >> 8) & 0xff, content.length & 0xff])
}
