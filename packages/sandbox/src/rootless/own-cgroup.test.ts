// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { claimOwnCgroup } from './own-cgroup.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-own-cgroup-'))
after(() => rmSync(directory, { recursive: true }))

/** A directory that looks like the user's cgroup. */
function world(name: string, files: Readonly<Record<string, string>>, membership = `0::/${name}\n`): Parameters<typeof claimOwnCgroup>[0] {
  const own = join(directory, name)
  mkdirSync(own)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), text)
  writeFileSync(join(directory, `${name}.mounts`), `cgroup2 ${directory} cgroup2 rw 0 0\n`)
  writeFileSync(join(directory, `${name}.membership`), membership)
  return { mounts: join(directory, `${name}.mounts`), membership: join(directory, `${name}.membership`) }
}

const FILES = { 'cgroup.procs': '', 'cgroup.subtree_control': '', 'cgroup.controllers': '' }

test('a cgroup without controllers is the user’s all the same', () => {
  assert.deepEqual(claimOwnCgroup(world('plain', FILES)), { directory: join(directory, 'plain'), path: '/plain', controllers: [] })
})

test('controllers are handed down where nothing else runs in it, and are what the kernel then says', () => {
  const found = claimOwnCgroup(
    world('alone', { ...FILES, 'cgroup.controllers': 'cpuset cpu io memory pids\n', 'cgroup.subtree_control': 'cpu memory pids\n' }),
  )
  // The last write stands in a file that is no cgroup's.
  assert.ok(found?.controllers.every((name) => ['cpu', 'memory', 'pids'].includes(name)))
})

test('a cgroup in which somebody else’s processes are gives no controllers, since those would have to be moved', () => {
  const found = claimOwnCgroup(world('shared', { ...FILES, 'cgroup.controllers': 'cpu memory pids\n', 'cgroup.procs': '1\n' }))
  assert.deepEqual(found?.controllers, [])
})

test('the root, version 1 alone, and a directory that is not there are nobody’s', () => {
  assert.equal(claimOwnCgroup(world('root', FILES, '0::/\n')), null)
  assert.equal(claimOwnCgroup(world('one', FILES, '4:memory:/one\n')), null)
  assert.equal(claimOwnCgroup(world('gone', FILES, '0::/elsewhere\n')), null)
})
