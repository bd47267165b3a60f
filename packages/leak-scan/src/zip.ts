// SPDX-License-Identifier: Apache-2.0
import type { Buffer } from 'node:buffer'
import { inflateRawSync } from 'node:zlib'

const END_SIGNATURE = 0x06054b50
const ENTRY_SIGNATURE = 0x02014b50
const LOCAL_SIGNATURE = 0x04034b50
const END_BYTES = 22
const COMMENT_MAX = 0xffff
const ENCRYPTED = 1
const STORED = 0
const DEFLATED = 8

export interface ZipEntry {
  readonly name: string
  /** @throws RangeError for what cannot be read, or is larger than `bytesMax`. */
  content(bytesMax: number): Buffer
}

export function isZip(head: Buffer): boolean {
  return head.length >= 4 && (head.readUInt32LE(0) === LOCAL_SIGNATURE || head.readUInt32LE(0) === END_SIGNATURE)
}

/** What the central directory (APPNOTE.TXT 4.3.12) of a whole archive names. @throws RangeError for what is no archive any more. */
export function zipEntries(archive: Buffer): readonly ZipEntry[] {
  const end = findEnd(archive)
  const entries: ZipEntry[] = []
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (archive.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new RangeError('the directory of the archive is damaged')
    const [nameBytes = 0, extraBytes = 0, commentBytes = 0] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset))
    entries.push(entryAt(archive, at, nameBytes))
    at += 46 + nameBytes + extraBytes + commentBytes
  }
  return entries
}

function findEnd(archive: Buffer): number {
  for (let at = archive.length - END_BYTES; at >= Math.max(0, archive.length - END_BYTES - COMMENT_MAX); at -= 1) {
    if (archive.readUInt32LE(at) === END_SIGNATURE) return at
  }
  throw new RangeError('the archive has no directory')
}

function entryAt(archive: Buffer, at: number, nameBytes: number): ZipEntry {
  const flags = archive.readUInt16LE(at + 8)
  const method = archive.readUInt16LE(at + 10)
  const packedBytes = archive.readUInt32LE(at + 20)
  const local = archive.readUInt32LE(at + 42)
  return {
    name: archive.toString('utf8', at + 46, at + 46 + nameBytes),
    content: (bytesMax) => {
      if (flags & ENCRYPTED) throw new RangeError('it is encrypted')
      if (archive.readUInt32LE(local) !== LOCAL_SIGNATURE) throw new RangeError('its header is damaged')
      const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
      const packed = archive.subarray(from, from + packedBytes)
      if (packed.length !== packedBytes) throw new RangeError('it is cut off')
      if (method === STORED) return packed
      if (method === DEFLATED) return inflateRawSync(packed, { maxOutputLength: bytesMax })
      throw new RangeError(`it is compressed by method ${method}`)
    },
  }
}
