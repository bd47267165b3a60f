// SPDX-License-Identifier: Apache-2.0
import type { Buffer } from 'node:buffer'
import type { ByteReader } from './byte-reader.ts'

export const TAR_BLOCK = 512

export interface Member {
  readonly name: string
  readonly content: AsyncIterable<Uint8Array>
}

/** By the mark of POSIX and of GNU (`ustar`) at its place. */
export function isTar(head: Buffer): boolean {
  return head.length === TAR_BLOCK && head.toString('latin1', 257, 262) === 'ustar'
}

/**
 * The members of an archive, one after the other: each is read, as far as anybody wants it, before the next. Headers that carry long names are members as well: what
 * stands in them is searched too.
 * @throws RangeError for what is no archive any more.
 */
export async function* tarMembers(reader: ByteReader): AsyncGenerator<Member> {
  for (;;) {
    const header = await reader.read(TAR_BLOCK)
    if (header.length === 0 || header.every((byte) => byte === 0)) return
    if (!isTar(header)) throw new RangeError('a header of the archive is damaged')
    const size = sizeOf(header)
    const left = reader.take(size)
    yield { name: nameOf(header), content: left }
    for await (const _bytes of left) void _bytes
    await reader.read((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK)
  }
}

/** Octal, or base 256 where that has not enough digits. */
function sizeOf(header: Buffer): number {
  if ((header[124] ?? 0) & 0x80) {
    const size = header.readBigUInt64BE(128)
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('a member of the archive has no possible size')
    return Number(size)
  }
  const size = Number.parseInt(text(header, 124, 136).trim() || '0', 8)
  if (Number.isSafeInteger(size)) return size
  throw new RangeError('a member of the archive has no possible size')
}

function nameOf(header: Buffer): string {
  const prefix = text(header, 345, 500)
  const name = text(header, 0, 100)
  return prefix === '' ? name : `${prefix}/${name}`
}

function text(header: Buffer, from: number, to: number): string {
  return header.toString('utf8', from, to).replace(/\0.*$/s, '')
}
