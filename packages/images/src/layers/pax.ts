// SPDX-License-Identifier: Apache-2.0
import { ImagesError } from '../images-error.ts'

/** An extended header holds names and attributes; a megabyte is more than any has. */
export const PAX_BYTES_MAX: number = 2 ** 20

/** Records of a pax extended header: `LENGTH KEY=VALUE\n` (POSIX.1-2001). Bytes are characters. @throws ImagesError IMAGE_REFUSED */
export function parsePax(bytes: Buffer): ReadonlyMap<string, string> {
  const text = bytes.toString('latin1')
  const records = new Map<string, string>()
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at)
    const digits = space === -1 ? '' : text.slice(at, space)
    const length = /^[1-9][0-9]{0,7}$/.test(digits) ? Number(digits) : 0
    const record = text.slice(space + 1, at + length)
    const equals = record.indexOf('=')
    if (length < digits.length + 4 || at + length > text.length || equals < 1 || !record.endsWith('\n'))
      throw ImagesError.refused('malformed', 'an extended header of a layer is none')
    const key = record.slice(0, equals)
    if (records.has(key)) throw ImagesError.refused('long-names', `an extended header says "${key.replace(/[^a-zA-Z0-9._]/g, '?')}" twice`)
    records.set(key, record.slice(equals + 1, -1))
    at += length
  }
  return records
}

/** A decimal number, its fraction cut off. */
export function paxNumber(text: string): number {
  const digits = /^(-?[0-9]{1,16})(\.[0-9]*)?$/.exec(text)?.[1]
  const value = Number(digits)
  if (digits === undefined || !Number.isSafeInteger(value))
    throw ImagesError.refused('malformed', 'an extended header has a number that is none')
  return value
}
