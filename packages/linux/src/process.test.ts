// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { forbidCoreDumps, makeUndumpable } from './process.ts'

// Each test file is a process of its own.
test('a process forbids its core dumps, and is not dumpable any more', () => {
  forbidCoreDumps()
  assert.match(readFileSync('/proc/self/limits', 'utf8'), /^Max core file size +0 +0 /m)
  makeUndumpable()
  assert.throws(() => readFileSync('/proc/self/mem', { flag: 'r' }))
})
