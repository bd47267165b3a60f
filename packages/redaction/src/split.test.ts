// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { createRandom } from './_naive.ts'
import { createSecretSet, type SecretSet } from './index.ts'

const VALUE = 'k7Qm2xVb9LpW4nTs8dRfzH'

function setOf(value: string): SecretSet {
  const set = createSecretSet()
  set.add(value)
  return set
}

function masked(set: SecretSet, parts: readonly string[]): string {
  const stream = set.createStream()
  return Buffer.concat([...parts.map((part) => Buffer.from(stream.write(Buffer.from(part)))), stream.end()]).toString()
}

/** Characters of the value that are left in a text whose others are dots, breaks and masks. */
const shown = (text: string): number => text.replaceAll(/[^A-Za-z0-9]/g, '').length

/** The value with breaks so many characters apart, within calm text. */
function spread(value: string, distances: readonly number[], separator: string): string {
  let text = ''
  let at = 0
  for (const distance of distances) {
    text += value.slice(at, at + distance) + separator
    at += distance
  }
  return `${'.'.repeat(300)}\n${text}${value.slice(at)}\n${'.'.repeat(300)}`
}

test('where two breaks stand within the first 16 characters, a split finds what the whole text does not', () => {
  const set = setOf(VALUE)
  const text = spread(VALUE, [4, 4, 4], '\n')
  const at = text.indexOf(VALUE.slice(8, 12))
  assert.equal(masked(set, [text]), text)
  assert.ok(masked(set, [text.slice(0, at), text.slice(at)]).includes('***'))
})

test('a split never shows more of a value than the whole text does, however the value is spread', () => {
  const set = setOf(VALUE)
  const random = createRandom(5)
  for (let turn = 0; turn < 400; turn += 1) {
    const distances = Array.from({ length: random(5) }, () => 1 + random(12))
    const text = spread(VALUE, distances, ['\n', '\r\n', ' ', '\n    ', '\u001b[0m'][random(5)] as string)
    const cuts = Array.from({ length: 1 + random(6) }, () => 290 + random(60)).toSorted((a, b) => a - b)
    const parts = [0, ...cuts].map((from, index) => text.slice(from, cuts[index]))
    assert.equal(parts.join(''), text)
    const whole = masked(set, [text])
    const split = masked(set, parts)
    assert.ok(shown(split) <= shown(whole), JSON.stringify({ distances, cuts, whole, split }))
  }
})

test('where one break stands within the first 16 characters, a split changes nothing', () => {
  const set = setOf(VALUE)
  for (let at = 1; at < VALUE.length; at += 1) {
    const text = spread(VALUE, [at], '\n')
    const whole = masked(set, [text])
    // Up to three characters before a line break stay.
    assert.equal(shown(whole), at <= 3 ? at : 0)
    for (let cut = 295; cut < 330; cut += 1) assert.equal(masked(set, [text.slice(0, cut), text.slice(cut)]), whole)
  }
})
