// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRunId, newRunId } from './run-id.ts'

test('a run id holds the second of its start in UTC and six hexadecimal digits', () => {
  assert.equal(newRunId(new Date('2026-11-22T20:15:01.987Z'), Uint8Array.of(0xab, 0x12, 0xcd)), '20261122-201501-ab12cd')
})

test('run ids sort by time', () => {
  const early = newRunId(new Date('2026-09-30T23:59:59Z'))
  const late = newRunId(new Date('2026-10-01T00:00:00Z'))
  assert.ok(early < late)
})

test('what could leave the directory of runs is no run id', () => {
  for (const text of ['', '.', '..', '../x', 'a/b', '-rf', 'A', 'a\n', 'a'.repeat(65)])
    assert.equal(isRunId(text), false, JSON.stringify(text))
  assert.equal(isRunId(newRunId()), true)
})
