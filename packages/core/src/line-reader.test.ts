// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineReader } from './line-reader.ts'

test('lines are the same wherever the stream is cut', () => {
  const line = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\n', ''))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 8 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      const reader = new LineReader(1000)
      const read: string[] = []
      let at = 0
      for (const size of [...cuts, bytes.length]) {
        // a buffer that is used again, as those of sockets are
        const chunk = Buffer.from(bytes.subarray(at, at + size))
        read.push(...textsOf(reader.read(chunk)))
        chunk.fill(0)
        at += size
      }
      assert.deepEqual(read, Buffer.from(lines.join('\n')).toString().split('\n').slice(0, lines.length))
    }),
  )
})

test('a line that is too long is refused before it is whole', () => {
  const reader = new LineReader(10)
  assert.deepEqual(textsOf(reader.read(Buffer.from('0123456789\n01234'))), ['0123456789'])
  assert.throws(() => [...reader.read(Buffer.from('567890'))], RangeError)
})

function textsOf(lines: Iterable<Uint8Array>): string[] {
  return [...lines].map((line) => Buffer.from(line).toString())
}
