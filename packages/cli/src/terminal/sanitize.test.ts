// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonText, oneLine, Sanitizer } from './sanitize.ts'

function sanitize(text: string, keepsColor = true, chunk = text.length): string {
  const sanitizer = new Sanitizer(keepsColor)
  let safe = ''
  for (let at = 0; at < text.length; at += Math.max(1, chunk)) safe += sanitizer.write(text.slice(at, at + Math.max(1, chunk)))
  return safe + sanitizer.end()
}

for (const [what, hostile, safe] of [
  ['plain text, tabs and newlines', 'a\tb\nc ü 漢 🙂', 'a\tb\nc ü 漢 🙂'],
  ['a colour', '\x1b[31mred\x1b[0m', '\x1b[31mred\x1b[0m'],
  ['a colour that is not reset', '\x1b[1;31mred', '\x1b[1;31mred\x1b[0m'],
  ['a 256-colour code whose number is 8', '\x1b[38;5;8mx\x1b[m', '\x1b[38;5;8mx\x1b[m'],
  ['concealed text', 'a\x1b[8mb', 'ab'],
  ['clearing the screen', 'a\x1b[2J\x1b[Hb', 'ab'],
  ['moving the cursor', 'a\x1b[1A\x1b[200Db', 'ab'],
  ['a private mode such as bracketed paste', '\x1b[?2004hx\x1b[?25l', 'x'],
  ['a title', '\x1b]0;owned\x07x', 'x'],
  ['a hyperlink', '\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\', 'text'],
  ['the clipboard', '\x1b]52;c;aGk=\x07x', 'x'],
  ['a device control string', '\x1bP+q544e\x1b\\x', 'x'],
  ['a title that never ends', '\x1b]0;owned\nnext', '␛]0;owned\nnext'],
  ['a sequence that never ends', '\x1b[1;2', '␛[1;2'],
  ['a lone escape', 'a\x1b', 'a␛'],
  ['a full reset', '\x1bcx', '␛cx'],
  ['character sets', '\x1b(0x', '␛(0x'],
  ['C1 controls', 'a\x9b2Jb', 'a<U+009B>2Jb'],
  ['bells, backspaces, NUL and DEL', 'a\x07\b\0\x7fb', 'a␇␈␀␡b'],
  ['bidirectional overrides', '\u202eevil\u2066', '<U+202E>evil<U+2066>'],
  ['a carriage return that hides what is before it', 'error\rok', 'error\nok'],
  ['the line ends of Windows', 'a\r\nb', 'a\nb'],
] as const) {
  test(`${what}: is shown safely, however it is cut into pieces`, () => {
    for (const chunk of [hostile.length, 1, 2, 3]) assert.equal(sanitize(hostile, true, chunk), safe)
  })
}

test('without colours nothing of a colour is left', () => {
  assert.equal(sanitize('\x1b[31mred\x1b[0m', false), 'red')
})

test('a sequence that goes on for ever is neither kept nor swallowed', () => {
  const sanitizer = new Sanitizer(true)
  let shown = sanitizer.write('\x1b]0;').length
  for (let round = 0; round < 1000; round += 1) shown += sanitizer.write('x'.repeat(1000)).length
  assert.ok(shown > 999_000, `${shown} characters`)
})

test('whatever comes in, only colours, tabs and newlines of all controls come out', () => {
  const alphabet = fc.constantFrom('\x1b', '[', ']', ';', 'm', 'J', '8', '3', '\x07', '\\', '\r', '\n', '\x9b', 'P', 'a', '\u202e', '\0')
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (parts, chunk) => {
      const safe = sanitize(parts.join(''), true, chunk).replaceAll(/\x1b\[[0-9;:]*m/g, '')
      assert.doesNotMatch(safe, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
      assert.equal(sanitize(parts.join(''), true, chunk), sanitize(parts.join('')))
    }),
    { numRuns: 2000 },
  )
})

test('a name stays on one line and within its length', () => {
  assert.equal(oneLine('a\nb\tc\x1b[31md'), 'a ␊ b cd')
  assert.equal(oneLine('x'.repeat(300)).length, 201)
})

test('JSON has nothing that a terminal obeys, and says the same', () => {
  const value = { '\u009b2J': ['\u202e\u2066', '\u001b]0;x\u0007', '\ufeff\u007f', 'é — 漢'] }
  const text = jsonText(value)
  assert.deepEqual(JSON.parse(text), value)
  assert.match(text, /^[\x20-\x7eé—漢]*$/)
})
