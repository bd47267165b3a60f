// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { deriveForms, FORM_BYTES_MAX, FORM_BYTES_MIN } from './forms.ts'
import { createSecretSet } from './secret-set.ts'

const VALUE = 'pa$$ "w<o>r\\d"/é+&\'1'
const bytes = Buffer.from(VALUE)
const hex = bytes.toString('hex')
const pairs = hex.match(/../g) ?? []
const json = JSON.stringify(VALUE).slice(1, -1)
const url = encodeURIComponent(VALUE)
const xml = VALUE.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** What programs print for VALUE, whole. */
const SPELLINGS: Readonly<Record<string, string>> = {
  'as it is': VALUE,
  base64: bytes.toString('base64'),
  'base64 without padding': bytes.toString('base64').replace(/=+$/, ''),
  'base64 of a line': Buffer.from(`${VALUE}\n`).toString('base64'),
  base64url: bytes.toString('base64url'),
  'base64url of a line': Buffer.from(`${VALUE}\n`).toString('base64url'),
  hex: hex,
  'hex in upper case': hex.toUpperCase(),
  'hex with colons': pairs.join(':'),
  'hex with colons, in upper case': pairs.join(':').toUpperCase(),
  'hex with spaces': pairs.join(' '),
  'percent-encoded component': url,
  'percent-encoded component, lower case': url.replace(/%../g, (escape) => escape.toLowerCase()),
  'HTML form field': new URLSearchParams({ v: VALUE }).toString().slice(2),
  encodeURI: encodeURI(VALUE),
  'every byte percent-encoded': pairs.map((pair) => `%${pair}`).join(''),
  'inside JSON': json,
  'inside JSON inside JSON': JSON.stringify(json).slice(1, -1),
  'inside ASCII JSON': json.replace('é', '\\u00e9'),
  'inside JSON by Go': json.replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026'),
  'inside JSON by PHP': json.replace('/', '\\/').replace('é', '\\u00e9'),
  'inside markup text': VALUE.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  'inside an attribute': xml,
  'inside XML, all five names': xml.replace("'", '&apos;'),
  'inside HTML by Python': xml.replace("'", '&#x27;'),
  'decimal references': Array.from(VALUE, (letter) => `&#${letter.codePointAt(0)};`).join(''),
  'hexadecimal references': Array.from(VALUE, (letter) => `&#x${letter.codePointAt(0)?.toString(16)};`).join(''),
}

for (const [name, spelling] of Object.entries(SPELLINGS)) {
  test(`a value is masked whole when spelled ${name}`, () => {
    const set = createSecretSet()
    set.add(VALUE)
    assert.equal(set.redact(`<${spelling}>`), '<***>')
  })
}

test('base64 of longer data hides all characters that depend on the value alone, at each alignment', () => {
  const set = createSecretSet()
  set.add(VALUE)
  for (const before of ['', 'a', 'ab', 'abc', 'user:']) {
    for (const after of ['', 'z', 'zy', '@host']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const masked = set.redact(Buffer.from(`${before}${VALUE}${after}`).toString(encoding))
        assert.match(masked, /\*\*\*/)
        // What is left tells at most the neighbours and the six bits at each edge.
        assert.ok(masked.length - 3 <= Math.ceil((before.length * 4) / 3) + Math.ceil((after.length * 4) / 3) + 5, masked)
      }
    }
  }
})

test('each line of a value is masked, the whole with either newline, and joined', () => {
  const set = createSecretSet()
  set.add('  first line\r\n\tsecond line\nxy\n\n')
  assert.equal(set.redact('log: second line.'), 'log: ***.')
  assert.equal(set.redact('first line\n\tsecond line\nxy'), '***')
  assert.equal(set.redact('first line\r\n\tsecond line\r\nxy'), '***')
  assert.equal(set.redact('first line second line xy'), '***')
  assert.equal(set.redact('{"v":"first line\\r\\n\\tsecond line\\nxy"}'), '{"v":"***"}')
  assert.equal(set.redact('proxy galaxy'), 'proxy galaxy')
})

test('forms are distinct, and none is too short or too long', () => {
  for (const value of ['abcd', 'a b"c', `${'long '.repeat(900)}end`, `{\n  "key": "${'x'.repeat(3000)}"\n}`]) {
    const forms = deriveForms(value)
    assert.equal(new Set(forms.map((form) => form.toString('latin1'))).size, forms.length)
    for (const form of forms) assert.ok(form.length >= FORM_BYTES_MIN && form.length <= FORM_BYTES_MAX)
  }
})

test('a value longer than a piece is masked whole, and in part', () => {
  const set = createSecretSet()
  const value = Array.from({ length: 900 }, (_, index) => (index * 7919).toString(36)).join('-')
  set.add(value)
  assert.equal(set.redact(`[${value}]`), '[***]')
  assert.equal(set.redact(`[${Buffer.from(value).toString('base64')}]`), '[***]')
  assert.equal(set.redact(`[${value.slice(0, FORM_BYTES_MAX)}]`), '[***]')
})

test('text that is no valid UTF-16 is a value like others', () => {
  const set = createSecretSet()
  assert.deepEqual(set.add('half \ud800 pair'), { masked: true })
  assert.equal(set.redact('half \ufffd pair'), '***')
})
