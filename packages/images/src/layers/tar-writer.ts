// SPDX-License-Identifier: Apache-2.0
import { BLOCK_BYTES } from './tar-header.ts'

export interface WrittenEntry {
  /** Bytes are characters, as in `TarHeader`. */
  readonly name: string
  readonly link: string
  readonly type: '0' | '1' | '2' | '5'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly size: number
}

const SHORT_BYTES_MAX = 100
const SIZE_MAX = 0o77777777777

/** The header of an entry, with an extended one before it where a name or a size needs it. Ids are below 2,097,152. */
export function tarHeader(entry: WrittenEntry): Buffer {
  const records: string[] = []
  if (entry.name.length > SHORT_BYTES_MAX) records.push(paxRecord('path', entry.name))
  if (entry.link.length > SHORT_BYTES_MAX) records.push(paxRecord('linkpath', entry.link))
  if (entry.size > SIZE_MAX) records.push(paxRecord('size', String(entry.size)))
  const header = block(entry.size > SIZE_MAX ? { ...entry, size: 0 } : entry, entry.type)
  if (records.length === 0) return header
  const pax = Buffer.from(records.join(''), 'latin1')
  return Buffer.concat([block({ ...entry, name: 'pax', link: '', size: pax.length }, 'x'), pax, padding(pax.length), header])
}

export function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES)
}

export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES)

/** Its length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

function block({ name, link, mode, uid, gid, mtime, size }: WrittenEntry, type: string): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, at: number, digits: number): void =>
    void header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  header.write(name.slice(0, SHORT_BYTES_MAX), 0, 'latin1')
  octal(mode, 100, 7)
  octal(uid, 108, 7)
  octal(gid, 116, 7)
  octal(size, 124, 11)
  octal(Math.min(mtime, SIZE_MAX), 136, 11)
  header.write(type, 156, 'latin1')
  header.write(link.slice(0, SHORT_BYTES_MAX), 157, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write('        ', 148, 'latin1')
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  )
  return header
}
