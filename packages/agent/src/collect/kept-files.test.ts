// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FileEntry, Sandbox } from '@sallyport/sandbox'
import { findChanges, keepChanges } from './kept-files.ts'

interface Fake {
  readonly path: string
  readonly type?: FileEntry['type']
  readonly mode?: number
  readonly changedAtNs?: bigint
  readonly content?: string
}

/** A sandbox that lists and gives what the test wants: all of it hostile. */
function sandboxWith(files: readonly Fake[]): Sandbox {
  const entries = files.map(({ path, type = 'file', mode = 0o644, changedAtNs = 2n }) => ({ path, type, mode, size: 1, changedAtNs }))
  const read: Sandbox['readFiles'] = async (_root, paths, each) => {
    for (const path of paths) {
      const content = files.find((file) => file.path === path)?.content
      await each(path, content === undefined ? null : chunks(content))
    }
  }
  return { listFiles: async () => entries, readFiles: read } as unknown as Sandbox
}

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function keep(
  directory: string,
  files: readonly Fake[],
  write: readonly string[] = ['.'],
): Promise<{ kept: string[]; dropped: number }> {
  const sandbox = sandboxWith(files)
  const { kept, dropped } = await findChanges(sandbox, '/work', new Map([['old', 1n]]), write)
  await keepChanges(sandbox, '/work', { directory, kept, bytesMax: 1 << 20 })
  return { kept: kept.map(({ path }) => path), dropped }
}

function world(context: TestContext): { readonly directory: string; readonly outside: string } {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-kept-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const [directory, outside] = [join(root, 'project'), join(root, 'outside')]
  for (const path of [directory, outside]) mkdirSync(path)
  return { directory, outside }
}

test('what changed under a kept path is written, with a plain mode; the rest is counted', async (context) => {
  const { directory } = world(context)
  const files: Fake[] = [
    { path: 'old', changedAtNs: 1n },
    { path: 'out/a', content: 'A', mode: 0o6755 },
    { path: 'outer', content: 'no' },
    { path: 'elsewhere', content: 'no' },
  ]
  assert.deepEqual(await keep(directory, files, ['./out/']), { kept: ['out/a'], dropped: 2 })
  assert.equal(readFileSync(join(directory, 'out/a'), 'utf8'), 'A')
  assert.equal(statSync(join(directory, 'out/a')).mode & 0o7777, 0o755)
  assert.deepEqual(readdirSync(directory), ['out'])
})

test('a deleted file counts as a dropped change', async (context) => {
  assert.deepEqual(await keep(world(context).directory, []), { kept: [], dropped: 1 })
})

test('links, special files and git’s own directory are never kept', async (context) => {
  const files: Fake[] = [
    { path: 'link', type: 'symlink' },
    { path: 'fifo', type: 'other' },
    { path: '.git/hooks/post-checkout', content: 'x' },
    { path: 'sub/.git/config', content: 'x' },
    { path: '.GIT/config', content: 'x' },
  ]
  const { directory } = world(context)
  assert.deepEqual((await keep(directory, files)).kept, [])
  assert.deepEqual(readdirSync(directory), [])
})

test('a link in the user’s directory leads no file out of it', async (context) => {
  const { directory, outside } = world(context)
  symlinkSync(outside, join(directory, 'way'))
  await assert.rejects(keep(directory, [{ path: 'way/escaped', content: 'x' }]), { code: 'WRITE_REFUSED' })
  writeFileSync(join(outside, 'target'), 'as it was')
  symlinkSync(join(outside, 'target'), join(directory, 'file'))
  await assert.rejects(keep(directory, [{ path: 'file', content: 'x' }]), { code: 'WRITE_REFUSED' })
  assert.equal(readFileSync(join(outside, 'target'), 'utf8'), 'as it was')
  assert.deepEqual(readdirSync(outside), ['target'])
})

for (const path of ['../escaped', 'a/../../escaped', '/escaped', 'a/./../../escaped']) {
  test(`a name that points elsewhere keeps nothing there: ${path}`, async (context) => {
    const { directory, outside } = world(context)
    await keep(directory, [{ path, content: 'x' }]).catch(() => undefined)
    assert.equal(existsSync(join(outside, '../escaped')) || existsSync('/escaped'), false)
  })
}

test('names with newlines and long names are kept as they are', async (context) => {
  const { directory } = world(context)
  const odd = ['a\nb', 'x'.repeat(255), '-rf', '*', 'ü']
  await keep(
    directory,
    odd.map((path) => ({ path, content: path })),
  )
  assert.deepEqual(readdirSync(directory).sort(), [...odd].sort())
})

test('a copy that fails leaves the old file and no half of a new one', async (context) => {
  const { directory } = world(context)
  writeFileSync(join(directory, 'file'), 'as it was')
  const sandbox = sandboxWith([{ path: 'file' }])
  const failing: Sandbox['readFiles'] = async (_root, paths, each) => {
    const broken = (async function* () {
      yield Buffer.from('half')
      throw new Error('the sandbox is gone')
    })()
    for (const path of paths) await each(path, broken)
  }
  const [entry] = await sandbox.listFiles('/work', 1)
  assert.ok(entry !== undefined)
  await assert.rejects(
    keepChanges({ ...sandbox, readFiles: failing } as Sandbox, '/work', { directory, kept: [entry], bytesMax: 1 << 20 }),
    /is gone/,
  )
  assert.deepEqual(readdirSync(directory), ['file'])
  assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'as it was')
})
