// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bitsOf, weaknessOf } from './strength.ts'

test('what is too short to mask is told by its bytes, white space around it left out', () => {
  for (const value of ['x', 'abc', ' k3v \n', '']) assert.equal(weaknessOf(value), 'too-short', JSON.stringify(value))
  assert.equal(weaknessOf('éé'), 'too-simple', 'four bytes, two characters')
})

test('words that stand in any log are refused in any letter case', () => {
  for (const value of ['password', 'PassWord', ' true ', 'localhost', 'NULL']) assert.equal(weaknessOf(value), 'too-common', value)
  assert.equal(weaknessOf('password1!x'), null)
})

test('what repeats or counts is worth nothing, whatever its length', () => {
  for (const value of ['1234', '12345678', 'aaaaaaaa', '        abcd', 'dcba', '0000000000', '----------'])
    assert.equal(weaknessOf(value), 'too-simple', value)
  assert.ok(bitsOf('aaaaaaaa') < 6)
  assert.equal(bitsOf('4711'), bitsOf('471'))
})

test('the bound lies between four digits and five, and below four letters', () => {
  assert.equal(weaknessOf('4826'), 'too-simple')
  assert.equal(weaknessOf('48263'), null)
  assert.equal(weaknessOf('kdrw'), null)
  assert.equal(weaknessOf('hunter22'), null)
})

test('more kinds of characters are worth more', () => {
  const worth = ['48263', 'kdrwm', 'kDrWm', 'kD3Wm', 'kD3W!'].map(bitsOf)
  assert.deepEqual(
    worth,
    worth.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(worth).size, worth.length)
})
