// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTemporaryDirectory } from './_temporary-directory.ts'
import { readWhole } from './durable-file.ts'

test('a file is read whole, however it is read', async (t) => {
  const path = join(makeTemporaryDirectory(t), 'file')
  for (const length of [0, 1, 8192, 8193, 300_000]) {
    const content = Buffer.from(Array.from({ length }, (_, index) => index % 251))
    writeFileSync(path, content)
    assert.deepEqual(await readWhole(path, length), content)
  }
  assert.equal(await readWhole(`${path}.absent`, 100), null)
})

test('a file that is longer than anybody would write it is not read', async (t) => {
  const path = join(makeTemporaryDirectory(t), 'file')
  writeFileSync(path, 'four')
  await assert.rejects(readWhole(path, 3), { code: 'STORE_CORRUPT' })
})

test('what stands in the place of a file is no file: nothing is followed, nobody waits', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const path = (name: string): string => join(directory, name)
  writeFileSync(path('elsewhere'), 'not ours')
  symlinkSync('elsewhere', path('link'))
  symlinkSync('/dev/zero', path('device'))
  symlinkSync('absent', path('dangling'))
  mkdirSync(path('directory'))
  // Nobody ever writes into it
  execFileSync('mkfifo', [path('fifo')])
  for (const name of ['link', 'device', 'dangling', 'directory', 'fifo'])
    await assert.rejects(readWhole(path(name), 1000), { code: 'STORE_UNSAFE' }, name)
})
