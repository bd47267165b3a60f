// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IntervalList } from './interval-list.ts'

function listOf(...intervals: readonly [number, number][]): IntervalList {
  const list = new IntervalList()
  for (const [start, end] of intervals) list.add(start, end)
  return list
}

const content = (list: IntervalList): [number, number][] =>
  Array.from({ length: list.count }, (_, index) => [list.start(index), list.end(index)])

test('intervals that overlap or touch become one', () => {
  assert.deepEqual(content(listOf([0, 4], [2, 6], [6, 8], [9, 10])), [
    [0, 8],
    [9, 10],
  ])
})

test('an interval that reaches back takes in all that it covers', () => {
  assert.deepEqual(content(listOf([0, 1], [3, 4], [6, 8], [2, 9])), [
    [0, 1],
    [2, 9],
  ])
})

test('a list grows as needed and forgets from its front', () => {
  const list = listOf(...Array.from({ length: 100 }, (_, index): [number, number] => [index * 3, index * 3 + 1]))
  list.advance(98, 290)
  assert.deepEqual(content(list), [
    [4, 5],
    [7, 8],
  ])
})
