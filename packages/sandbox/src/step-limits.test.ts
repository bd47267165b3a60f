// SPDX-License-Identifier: Apache-2.0
// That a full disk, a full tmpfs and the last inode are seen is test/e2e/limits-named.test.ts's: it takes file systems of a job.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { StepLimits } from './step-limits.ts'

/** A made-up /proc: a directory's size is what the kernel tells of `/proc/PID/fd`. */
function fakeProc(t: { after: (clean: () => void) => void }, ...pids: readonly number[]): { proc: string; root: string; size: number } {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-limits-'))
  t.after(() => rmSync(directory, { recursive: true }))
  for (const pid of pids) mkdirSync(join(directory, String(pid), 'fd'), { recursive: true })
  const first = pids[0]
  return {
    proc: directory,
    root: join(directory, 'gone'),
    size: first === undefined ? 0 : statSync(join(directory, String(first), 'fd')).size,
  }
}

test('a process with as many descriptors as it may have is found, and one with fewer is not', (t) => {
  const { proc, root, size } = fakeProc(t, 7)
  const seen = (openFiles: number, members: readonly number[]): unknown =>
    new StepLimits({ root, proc, openFiles, members: () => members }).end(true)
  assert.equal(size > 0, true)
  assert.equal(seen(size, [7]), 'files')
  assert.equal(seen(size + 1, [7]), null)
  assert.equal(seen(size, []), null)
  // It has ended since its number was read.
  assert.equal(seen(size, [8]), null)
})

test('of many processes some are looked at: the time that it takes is bounded', (t) => {
  const { proc, root, size } = fakeProc(t, 7)
  const others = Array.from({ length: 64 }, (_, index) => 1000 + index)
  assert.equal(new StepLimits({ root, proc, openFiles: size, members: () => [...others, 7] }).end(true), null)
})

test('a sandbox that is gone is not taken for a full one', (t) => {
  const { proc, root } = fakeProc(t)
  assert.equal(new StepLimits({ root, proc, openFiles: 1, members: () => [] }).end(true), null)
})
