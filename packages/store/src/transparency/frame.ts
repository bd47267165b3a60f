// SPDX-License-Identifier: Apache-2.0
// What one commit writes ahead of the tree: a header, and its entries as they stand in a bundle.
import { crc32 } from 'node:zlib'

/** Consecutive entries, each with its length in two bytes before it, big endian. */
export interface Entries {
  /** Index of the first one in the log. */
  readonly first: number
  readonly bytes: Buffer
  /** Where each entry ends in `bytes`, which is where the next one's length begins. */
  readonly ends: readonly number[]
}

const MAGIC = Buffer.from('SPLF')
export const LENGTH_BYTES = 2
export const FRAME_HEADER_BYTES = 32
/** With its header; what is longer is damaged. A commit of the log takes some 4 MiB. */
export const FRAME_BYTES_MAX: number = 8 * 2 ** 20

/** Offsets within the header. */
const AT = { magic: 0, count: 4, first: 8, bytes: 16, contentSum: 20, headerSum: 28 } as const

/** At least one entry, each of at most 65,535 bytes. The result's `bytes` are a part of `frame`. */
export function encodeFrame(first: number, entries: readonly Uint8Array[]): { readonly frame: Buffer; readonly entries: Entries } {
  const length = entries.reduce((sum, entry) => sum + LENGTH_BYTES + entry.byteLength, FRAME_HEADER_BYTES)
  if (length > FRAME_BYTES_MAX) throw new RangeError(`A frame cannot have ${length} bytes`)
  const frame = Buffer.allocUnsafeSlow(length)
  const bytes = frame.subarray(FRAME_HEADER_BYTES)
  const ends: number[] = []
  let at = 0
  for (const entry of entries) {
    at = bytes.writeUInt16BE(entry.byteLength, at)
    bytes.set(entry, at)
    at += entry.byteLength
    ends.push(at)
  }
  writeHeader(frame, { first, count: entries.length, bytes: at, contentSum: crc32(bytes) })
  return { frame, entries: { first, bytes, ends } }
}

interface FrameHeader {
  readonly first: number
  readonly count: number
  /** Of what follows the header. */
  readonly bytes: number
  readonly contentSum: number
}

function writeHeader(frame: Buffer, { first, count, bytes, contentSum }: FrameHeader): void {
  frame.fill(0, 0, FRAME_HEADER_BYTES)
  frame.set(MAGIC, AT.magic)
  frame.writeUInt32BE(count, AT.count)
  frame.writeBigUInt64BE(BigInt(first), AT.first)
  frame.writeUInt32BE(bytes, AT.bytes)
  frame.writeUInt32BE(contentSum, AT.contentSum)
  frame.writeUInt32BE(crc32(frame.subarray(0, AT.headerSum)), AT.headerSum)
}

/** Null when these bytes are no header that we wrote. The sums find what a crash left behind, not what an attacker made. */
export function parseFrameHeader(header: Buffer): FrameHeader | null {
  if (header.byteLength !== FRAME_HEADER_BYTES || header.indexOf(MAGIC) !== 0) return null
  if (header.readUInt32BE(AT.headerSum) !== crc32(header.subarray(0, AT.headerSum))) return null
  return {
    count: header.readUInt32BE(AT.count),
    first: Number(header.readBigUInt64BE(AT.first)),
    bytes: header.readUInt32BE(AT.bytes),
    contentSum: header.readUInt32BE(AT.contentSum),
  }
}

/** Null when the bytes after the header are not those that it was written with. */
export function parseFrameContent({ first, count, contentSum }: FrameHeader, bytes: Buffer): Entries | null {
  if (crc32(bytes) !== contentSum) return null
  const ends: number[] = []
  for (let at = 0; at + LENGTH_BYTES <= bytes.byteLength; ) {
    at += LENGTH_BYTES + bytes.readUInt16BE(at)
    ends.push(at)
  }
  return ends.length === count && ends.at(-1) === bytes.byteLength ? { first, bytes, ends } : null
}

/** Whether a whole header stands anywhere in `bytes`. */
export function holdsFrameHeader(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(MAGIC); at !== -1; at = bytes.indexOf(MAGIC, at + 1)) {
    if (parseFrameHeader(bytes.subarray(at, at + FRAME_HEADER_BYTES)) !== null) return true
  }
  return false
}

/** Those from the entry `index` of the log on. */
export function entriesFrom({ first, bytes, ends }: Entries, index: number): Entries {
  if (index <= first) return { first, bytes, ends }
  const start = ends[index - first - 1] ?? bytes.byteLength
  return { first: index, bytes: bytes.subarray(start), ends: ends.slice(index - first).map((end) => end - start) }
}
