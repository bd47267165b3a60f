// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineReader } from './lines.ts'
import { plainText } from './plain-text.ts'

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
        read.push(...reader.read(chunk))
        chunk.fill(0)
        at += size
      }
      assert.deepEqual(read, Buffer.from(lines.join('\n')).toString().split('\n').slice(0, lines.length))
    }),
  )
})

test('a line that is too long is refused before it is whole', () => {
  const reader = new LineReader(10)
  assert.deepEqual([...reader.read(Buffer.from('0123456789\n01234'))], ['0123456789'])
  assert.throws(() => [...reader.read(Buffer.from('567890'))], RangeError)
})

test('text of a job is cut, and cleaned of what steers a terminal', () => {
  assert.equal(plainText('a\u001b[31mb\u202e\u0000\ud800', 100), 'a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}')
  for (const code of [0x7f, 0x9b, 0xad, 0x61c, 0x180e, 0x200d, 0x2028, 0x2029, 0x2066, 0xfeff, 0xfff9, 0xe0041])
    assert.equal(plainText(`a${String.fromCodePoint(code)}b`, 100), 'a\u{fffd}b', code.toString(16))
  assert.equal(plainText('abcdef', 4), 'abc…')
  assert.equal(plainText('grüße 日本', 100), 'grüße 日本')
})
