// SPDX-License-Identifier: Apache-2.0
// POSIX.1-1988 ustar, with the base-256 numbers of GNU and star.
import { ImagesError } from '../images-error.ts'

export const BLOCK_BYTES = 512

export interface TarHeader {
  /** Names are bytes: one character of this string for each. */
  readonly name: string
  readonly link: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** Seconds. */
  readonly mtime: number
}

/** @throws ImagesError IMAGE_REFUSED `malformed` */
export function parseHeader(block: Buffer): TarHeader {
  assertChecksum(block)
  // GNU's magic ("ustar  ") has other fields where the prefix would be.
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? textOf(block, 345, 155) : ''
  const name = textOf(block, 0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    link: textOf(block, 157, 100),
    type: block.toString('latin1', 156, 157),
    mode: numberOf(block, 100, 8),
    uid: numberOf(block, 108, 8),
    gid: numberOf(block, 116, 8),
    size: numberOf(block, 124, 12),
    mtime: numberOf(block, 136, 12),
  }
}

/** The sum of all bytes, those of the checksum taken as spaces. */
function assertChecksum(block: Buffer): void {
  let sum = 8 * 0x20
  for (let index = 0; index < BLOCK_BYTES; index += 1) if (index < 148 || index >= 156) sum += block[index] ?? 0
  if (sum !== numberOf(block, 148, 8)) throw ImagesError.refused('malformed', 'a layer is no tar archive')
}

function textOf(block: Buffer, at: number, length: number): string {
  const text = block.toString('latin1', at, at + length)
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}

function numberOf(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) return base256Of(block, at, length)
  const text = block.toString('latin1', at, at + length).replace(/^[ \0]+|[ \0]+$/g, '')
  if (text === '') return 0
  if (!/^[0-7]+$/.test(text)) throw ImagesError.refused('malformed', 'a layer has a number that is none')
  return Number.parseInt(text, 8)
}

/** Two's complement; a negative time is one before 1970. */
function base256Of(block: Buffer, at: number, length: number): number {
  const isNegative = block[at] === 0xff
  let value = BigInt(isNegative ? 0xff : (block[at] ?? 0) & 0x7f)
  for (let index = at + 1; index < at + length; index += 1) value = (value << 8n) | BigInt(block[index] ?? 0)
  if (isNegative) value = BigInt.asIntN(length * 8, value)
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw ImagesError.refused('malformed', 'a layer has a number that is none')
  return number
}
