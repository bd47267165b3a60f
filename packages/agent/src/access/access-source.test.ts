// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from './_temporary-directory.ts'
import { readAccessSource, readOperatorSource } from './access-source.ts'

test('a repository without sallyport.yml asks for nothing; one that --access names has to be there', async (t) => {
  const repository = makeDirectory(t)
  assert.equal(await readAccessSource(repository, null), null)
  await assert.rejects(readAccessSource(repository, join(repository, 'x.yml')), { code: 'ACCESS_FILE_UNREADABLE' })
})

test('files are named from the root of the repository where they lie in it', async (t) => {
  const repository = makeDirectory(t, { 'sallyport.yml': 'a', 'ci/x.yml': 'b' })
  const outside = makeDirectory(t, { 'y.yml': 'c' })
  assert.equal((await readAccessSource(repository, null))?.name, 'sallyport.yml')
  assert.equal((await readAccessSource(repository, join(repository, 'ci/x.yml')))?.name, 'ci/x.yml')
  assert.equal((await readAccessSource(repository, join(outside, 'y.yml')))?.name, join(outside, 'y.yml'))
})

test('a link, a FIFO, a directory, a huge file or one that is no text in the place of sallyport.yml is refused, and nothing waits', async (t) => {
  const victim = join(makeDirectory(t, { secret: 'x' }), 'secret')
  const makers: Readonly<Record<string, (path: string) => void>> = {
    link: (path) => symlinkSync(victim, path),
    'dangling link': (path) => symlinkSync('/nonexistent', path),
    FIFO: (path) => execFileSync('mkfifo', [path]),
    directory: (path) => mkdirSync(path),
    huge: (path) => writeFileSync(path, 'x'.repeat(2 ** 20 + 1)),
    bytes: (path) => writeFileSync(path, Uint8Array.of(0xff, 0xfe)),
  }
  for (const [name, make] of Object.entries(makers)) {
    const repository = makeDirectory(t)
    make(join(repository, 'sallyport.yml'))
    await assert.rejects(readAccessSource(repository, null), { code: 'ACCESS_FILE_UNREADABLE' }, name)
  }
})

test("the operator's file need not be there, but the one that --config names has to", async (t) => {
  const directory = makeDirectory(t)
  assert.equal(await readOperatorSource(null, join(directory, 'config.yml')), null)
  await assert.rejects(readOperatorSource(join(directory, 'config.yml')), { code: 'OPERATOR_FILE_REFUSED', message: /no such file/ })
})

test("an operator's file that others may change is refused, and so is one in a directory that they may change", async (t) => {
  const directory = makeDirectory(t, { 'a/b/config.yml': 'version: 1\n' })
  const path = join(directory, 'a/b/config.yml')
  assert.equal((await readOperatorSource(path))?.text, 'version: 1\n')
  for (const [target, mode] of [
    [path, 0o664],
    [path, 0o646],
    [join(directory, 'a/b'), 0o775],
    [join(directory, 'a'), 0o757],
  ] as const) {
    chmodSync(target, mode)
    await assert.rejects(readOperatorSource(path), { code: 'OPERATOR_FILE_REFUSED', message: /may write to/ }, target)
    chmodSync(target, 0o755)
  }
  chmodSync(join(directory, 'a'), 0o1777)
  assert.notEqual(await readOperatorSource(path), null, 'the sticky bit protects what is in it')
})

test("an operator's file of another user is refused", { skip: process.geteuid?.() === 0 ? false : 'only root can make one' }, async (t) => {
  const path = join(makeDirectory(t, { 'config.yml': '' }), 'config.yml')
  chownSync(path, 65_534, 65_534)
  await assert.rejects(readOperatorSource(path), { code: 'OPERATOR_FILE_REFUSED', message: /belongs to another user/ })
})
