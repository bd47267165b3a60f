// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, toWords } from '../src/index.js'

test('words are read back', () => {
  for (const seconds of [1, 59, 60, 3599, 86400, 90061]) assert.equal(parse(toWords(seconds)), seconds)
})
test('an unknown unit is refused by name', () => assert.throws(() => parse('2 fortnights'), /2 fortnights/))
