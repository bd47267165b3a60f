// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { tryLockFile, tryShareLock } from './file-lock.ts'

function makeFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-lock-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'lock')
}

test('of two who open a file, one has its lock, until that one closes it', (t) => {
  const path = makeFile(t)
  const [first, second] = [openSync(path, 'w'), openSync(path, 'w')]
  assert.deepEqual([tryLockFile(first), tryLockFile(second), tryLockFile(first)], [true, false, true])
  closeSync(first)
  assert.equal(tryLockFile(second), true)
  closeSync(second)
})

test('a lock is shared by many, or had by one', (t) => {
  const path = makeFile(t)
  const [first, second, third] = [openSync(path, 'w'), openSync(path, 'w'), openSync(path, 'w')]
  assert.deepEqual([tryShareLock(first), tryShareLock(second), tryLockFile(third)], [true, true, false])
  closeSync(first)
  assert.equal(tryLockFile(third), false)
  closeSync(second)
  assert.equal(tryLockFile(third), true)
  const late = openSync(path, 'w')
  assert.equal(tryShareLock(late), false)
  closeSync(third)
  closeSync(late)
})

test('it is the lock that flock(1) takes, and it ends with a process that is killed', async (t) => {
  const path = makeFile(t)
  const fd = openSync(path, 'w')
  // It says so when it has the lock, and then holds it
  const holder = spawn('flock', ['--exclusive', '--no-fork', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  assert.equal(tryLockFile(fd), false)
  const ended = once(holder, 'exit')
  holder.kill('SIGKILL')
  await ended
  assert.equal(tryLockFile(fd), true)
  const [code] = (await once(spawn('flock', ['--nonblock', path, 'true']), 'exit')) as [number]
  assert.equal(code, 1)
  closeSync(fd)
})

test('what the kernel refuses for another reason is an error', () => {
  assert.throws(() => tryLockFile(-1), /flock was refused with error 9/)
})
