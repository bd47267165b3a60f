// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainText } from './plain-text.ts'

test('text of a job is cut, and cleaned of what steers a terminal', () => {
  assert.equal(plainText('a\u001b[31mb\u202e\u0000\ud800', 100), 'a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}')
  for (const code of [0x7f, 0x9b, 0xad, 0x61c, 0x180e, 0x200d, 0x2028, 0x2029, 0x2066, 0xfeff, 0xfff9, 0xe0041])
    assert.equal(plainText(`a${String.fromCodePoint(code)}b`, 100), 'a\u{fffd}b', code.toString(16))
  assert.equal(plainText('abcdef', 4), 'abc…')
  assert.equal(plainText('grüße 日本', 100), 'grüße 日本')
})
