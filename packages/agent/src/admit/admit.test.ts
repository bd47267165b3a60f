// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { effectiveLimits } from './limits.ts'
import { assertRunsHere } from './runs-on.ts'

test('Linux labels of any release, and labels of the user’s own, run here', () => {
  for (const label of ['ubuntu-latest', 'ubuntu-24.04', 'self-hosted', 'linux', 'X64', 'my-machine', 'macosmos'])
    assertRunsHere([label], 'x64')
})

test('a label of another system or processor is refused by name', () => {
  for (const label of ['windows-latest', 'macos-14', 'macOS', 'ubuntu-24.04-arm', 'ARM64']) {
    assert.throws(() => assertRunsHere(['self-hosted', label], 'x64'), { code: 'RUNNER_UNSUPPORTED', message: new RegExp(`"${label}"`) })
  }
  assert.throws(() => assertRunsHere(['x64'], 'arm64'), { code: 'RUNNER_UNSUPPORTED' })
})

test('swap is given only when it is asked for by name', () => {
  assert.equal(effectiveLimits({ memoryBytes: 1000 }).memorySwapBytes, 1000)
  assert.equal(effectiveLimits({ memoryBytes: 1000, memorySwapBytes: 3000 }).memorySwapBytes, 3000)
})

test('a limit that was asked for is the limit, and every other has a default', () => {
  const limits = effectiveLimits({ pids: 7, outputBytes: 9 })
  assert.deepEqual([limits.pids, limits.outputBytes], [7, 9])
  for (const [name, value] of Object.entries(limits)) assert.ok(Number.isFinite(value) && value > 0, name)
})

test('nobody gets more than the operator allows, and not by swap either', () => {
  const most = { memoryBytes: 1000, pids: 100, timeMs: 5000 }
  const limits = effectiveLimits({ memoryBytes: 4000, memorySwapBytes: 9000, pids: 50 }, most)
  assert.deepEqual([limits.memoryBytes, limits.memorySwapBytes, limits.pids, limits.timeMs], [1000, 1000, 50, 5000])
})

test('open files are never more than this process may hand on', () => {
  assert.ok(effectiveLimits({ openFiles: 2 ** 40 }).openFiles <= 1_048_576)
})
