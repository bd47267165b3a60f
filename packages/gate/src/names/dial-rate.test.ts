// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DialRate } from './dial-rate.ts'

test('a burst goes at once, what is beyond it 200 a second, and a pause makes room again', () => {
  let nowMs = 0
  const rate = new DialRate(() => nowMs)
  for (let count = 0; count < 2000; count += 1) assert.equal(rate.take(), 0)
  assert.equal(rate.take(), 5)
  assert.equal(rate.take(), 10)
  nowMs += 10
  assert.equal(rate.take(), 5)
  nowMs += 10_015
  for (let count = 0; count < 2000; count += 1) assert.equal(rate.take(), 0)
  assert.equal(rate.take(), 5)
})
