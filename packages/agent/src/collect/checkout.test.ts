// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PutEntry } from '@sallyport/sandbox'
import { directoryEntries, listedEntries } from './checkout.ts'
import { isOwnState } from './own-state.ts'

function makeDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-tree-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const pathsOf = async (entries: AsyncIterable<PutEntry>): Promise<string[]> => (await Array.fromAsync(entries)).map(({ path }) => path)

test('files, directories and links are copied with their modes, in the order of names', async (context) => {
  const root = makeDirectory(context)
  mkdirSync(join(root, 'b'))
  writeFileSync(join(root, 'b/run.sh'), 'x', { mode: 0o755 })
  writeFileSync(join(root, 'a\nb'), 'odd')
  symlinkSync('/etc/passwd', join(root, 'link'))
  const entries = await Array.fromAsync(directoryEntries(root))
  assert.deepEqual(
    entries.map((entry) => [entry.path, entry.type]),
    [
      ['a\nb', 'file'],
      ['b', 'directory'],
      ['b/run.sh', 'file'],
      ['link', 'symlink'],
    ],
  )
  assert.equal(entries[2]?.type === 'file' && entries[2].mode, 0o755)
  assert.equal(entries[3]?.type === 'symlink' && entries[3].target, '/etc/passwd')
})

test('what would block whoever opens it is not copied: FIFOs and sockets', { timeout: 120_000 }, async (context) => {
  const root = makeDirectory(context)
  execFileSync('mkfifo', [join(root, 'fifo')])
  const server = createServer().listen(join(root, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  writeFileSync(join(root, 'file'), 'x')
  assert.deepEqual(await pathsOf(directoryEntries(root)), ['file'])
  await new Promise((resolve) => server.close(resolve))
})

test('an unreadable directory is an error that names it', async (context) => {
  const root = makeDirectory(context)
  await assert.rejects(pathsOf(directoryEntries(join(root, 'absent'))), { code: 'REPOSITORY_UNREADABLE', message: /absent/ })
})

const unprivileged = process.getuid?.() === 0 ? 'root reads every file' : false
test('an unreadable file is an error that names it', { skip: unprivileged }, async (context) => {
  const root = makeDirectory(context)
  writeFileSync(join(root, 'closed'), 'x')
  chmodSync(join(root, 'closed'), 0)
  await assert.rejects(pathsOf(directoryEntries(root)), { code: 'REPOSITORY_UNREADABLE', message: /closed/ })
})

test('a listed file that is gone is left out', async (context) => {
  const root = makeDirectory(context)
  writeFileSync(join(root, 'here'), 'x')
  assert.deepEqual(await pathsOf(listedEntries(root, ['gone', 'here'], () => false)), ['here'])
})

test('a state directory inside of the copied one is left out, by whichever path it is named', async (context) => {
  const root = makeDirectory(context)
  mkdirSync(join(root, 'deep/state/runs'), { recursive: true })
  writeFileSync(join(root, 'deep/state/runs/journal'), 'of another run')
  writeFileSync(join(root, 'deep/stateful'), 'the user’s own')
  symlinkSync(join(root, 'deep'), join(root, 'shortcut'))
  for (const state of ['deep/state', 'deep/../deep/state/', 'shortcut/state']) {
    const skip = isOwnState(root, join(root, state))
    assert.deepEqual(await pathsOf(directoryEntries(root, '', skip)), ['deep', 'deep/stateful', 'shortcut'], state)
    assert.deepEqual(await pathsOf(listedEntries(root, ['deep/state/runs/journal', 'deep/stateful'], skip)), ['deep/stateful'])
  }
})

test('a directory that is itself the state directory is copied without the state', async (context) => {
  const root = makeDirectory(context)
  for (const name of ['runs', 'sandbox', 'src']) mkdirSync(join(root, name))
  writeFileSync(join(root, 'runs/journal'), 'x')
  assert.deepEqual(await pathsOf(directoryEntries(root, '', isOwnState(root, root))), ['src'])
})

test('a state directory elsewhere, or above, leaves everything in', (context) => {
  const root = makeDirectory(context)
  for (const state of ['/var/lib/sallyport-absent', join(root, '..'), '/']) assert.equal(isOwnState(root, state)('runs'), false, state)
})
