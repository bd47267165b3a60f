// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadBuffer, ReadBufferBudget } from './read-buffers.ts'

const KIB = 1024

test('a buffer grows with reads that fill it, and shrinks after many that do not', () => {
  const buffer = new ReadBuffer(new ReadBufferBudget())
  assert.equal(buffer.bytes.length, 4 * KIB)
  assert.equal(buffer.next(4 * KIB).length, 64 * KIB)
  assert.equal(buffer.next(64 * KIB).length, 512 * KIB)
  assert.equal(buffer.next(512 * KIB).length, 512 * KIB, 'the largest')
  for (let reads = 0; reads < 15; reads++) assert.equal(buffer.next(10).length, 512 * KIB)
  assert.equal(buffer.next(200 * KIB).length, 512 * KIB, 'not many in a row')
  for (let reads = 0; reads < 16; reads++) buffer.next(10)
  assert.equal(buffer.bytes.length, 64 * KIB)
})

test('beyond the budget of all connections they stay small, and what is given back can be had again', () => {
  const budget = new ReadBufferBudget(72 * KIB)
  const [first, second] = [new ReadBuffer(budget), new ReadBuffer(budget)]
  assert.equal(first.next(4 * KIB).length, 64 * KIB)
  assert.equal(second.next(4 * KIB).length, 4 * KIB)
  assert.equal(first.next(64 * KIB).length, 64 * KIB)
  first.release()
  first.release()
  assert.equal(second.next(4 * KIB).length, 64 * KIB)
  assert.equal(budget.take(9 * KIB), false, 'nothing is given back twice')
})

test('no two small buffers share a byte', () => {
  const budget = new ReadBufferBudget()
  const places = Array.from({ length: 20 }, () => new ReadBuffer(budget).bytes)
  for (const [index, bytes] of places.entries()) bytes.fill(index)
  assert.ok(places.every((bytes, index) => bytes.every((byte) => byte === index)))
})
