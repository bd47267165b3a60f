// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { octal } from './encodings.ts'

/** As many bytes as fill the blocks of an anchor in the densest layout, and one more where words start in between. */
const BYTES_MAX = 17

const CELLS: ReadonlyMap<number, string> = new Map([
  [0x00, '\\0'],
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
])

/** How the lines of `xxd`, `hexdump` and `od` begin to show these bytes, at either alignment of their words. */
export function dumpAnchors(bytes: Buffer): Buffer[] {
  const head = bytes.subarray(0, BYTES_MAX)
  const layouts: string[] = []
  for (const start of [0, 1]) {
    const words = head.subarray(start, start + ((head.length - start) & ~1))
    const pairs = Array.from({ length: words.length / 2 }, (_, index) => words.readUInt16BE(2 * index))
    const swapped = pairs.map((pair) => ((pair & 0xff) << 8) | (pair >>> 8))
    const lead = start === 0 ? '' : `${head.toString('hex', 0, 1)} `
    layouts.push(lead + pairs.map(hexWord).join(' '), swapped.map(hexWord).join(' '), swapped.map(hexWord).join('    '))
    layouts.push(swapped.map((word) => word.toString(8).padStart(6, '0')).join(' '))
  }
  layouts.push(Array.from(head, octal).join(' '))
  layouts.push(
    Array.from(head, (byte) => cell(byte).padStart(4))
      .join('')
      .trimStart(),
  )
  return layouts.map((layout) => Buffer.from(layout, 'latin1'))
}

const hexWord = (word: number): string => word.toString(16).padStart(4, '0')

function cell(byte: number): string {
  return CELLS.get(byte) ?? (byte < 0x20 || byte > 0x7e ? octal(byte) : String.fromCharCode(byte))
}
