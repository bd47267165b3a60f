// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toWords } from '../src/index.js'

test('units that are zero are left out', () => assert.equal(toWords(3605), '1 hour, 5 seconds'))
test('one is singular', () => assert.equal(toWords(86400 + 3600 + 60 + 1), '1 day, 1 hour, 1 minute, 1 second'))
test('nothing is said in seconds', () => assert.equal(toWords(0), '0 seconds'))
test('a negative duration is refused', () => assert.throws(() => toWords(-1), RangeError))
