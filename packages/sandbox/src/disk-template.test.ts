// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { prepareDiskTemplate } from './disk-template.spawn.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-disk-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const MKE2FS = ['/usr/sbin/mke2fs', '/sbin/mke2fs'].some(existsSync)
const skip = MKE2FS ? false : 'mke2fs is not installed (package e2fsprogs)'

test('a template has its size, few bytes of it on the disk, and at least its inodes', { skip }, async () => {
  const path = await prepareDiskTemplate(directory, 512 << 20, 10_000)
  const { size, blocks, mode } = statSync(path)
  assert.equal(size, 512 << 20)
  assert.ok(blocks * 512 < 4 << 20, `${blocks * 512} bytes are allocated`)
  assert.equal(mode & 0o777, 0o600)
  const text = execFileSync('/usr/sbin/dumpe2fs', ['-h', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  assert.ok(Number(/^Inode count:\s+(\d+)$/m.exec(text)?.[1]) >= 10_000)
  assert.match(text, /^Reserved block count:\s+0$/m)
  assert.doesNotMatch(text, /has_journal/)
})

test('several at the same time get one template, and leave no half of one', { skip }, async () => {
  const paths = await Promise.all(Array.from({ length: 8 }, () => prepareDiskTemplate(join(directory, 'many'), 64 << 20, 1000)))
  assert.equal(new Set(paths).size, 1)
  assert.equal(readdirSync(join(directory, 'many')).length, 1)
})

test('a size that no file system fits into is an error that says which, and leaves nothing', { skip }, async () => {
  const place = join(directory, 'small')
  await assert.rejects(prepareDiskTemplate(place, 1024, 10), { code: 'SANDBOX_FAILED', message: /1024 bytes and 10 inodes/ })
  assert.deepEqual(readdirSync(place), [])
})
