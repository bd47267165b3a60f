// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildHelper, END, type Finished, type PutFrame, putFrame, putStream, run, scratchDirectory } from './_helper.ts'

const helper = buildHelper()

function put(root: string, ...frames: PutFrame[]): Finished {
  return run(helper, ['put', root], { input: putStream(...frames) })
}

function errorNumber({ status, stdout }: Finished): number {
  assert.equal(status, 1)
  const match = /^(?:ready\n)?error (\d+) \S+: [^\n]+\n$/.exec(stdout.toString())
  assert.ok(match !== null, stdout.toString())
  return Number(match[1])
}

test('files, directories and symlinks arrive with their modes, and missing parents are made', () => {
  const root = scratchDirectory()
  const done = put(
    root,
    { type: 'D', path: 'bin', mode: 0o750 },
    { type: 'F', path: 'bin/tool', mode: 0o755, content: '#!/bin/sh\n' },
    { type: 'F', path: 'a/b/c.txt', mode: 0o640, content: 'deep' },
    { type: 'L', path: 'link', content: '../anywhere' },
    { type: 'F', path: 'empty' },
  )
  assert.deepEqual([done.status, done.stdout.toString()], [0, 'ready\nok 3 14\n'])
  assert.equal(statSync(join(root, 'bin')).mode & 0o7777, 0o750)
  assert.equal(statSync(join(root, 'bin/tool')).mode & 0o7777, 0o755)
  assert.equal(statSync(join(root, 'a/b/c.txt')).mode & 0o7777, 0o640)
  assert.equal(statSync(join(root, 'a')).mode & 0o7777, 0o755)
  assert.equal(readFileSync(join(root, 'a/b/c.txt'), 'utf8'), 'deep')
  assert.equal(readlinkSync(join(root, 'link')), '../anywhere')
  assert.equal(statSync(join(root, 'empty')).size, 0)
})

test('the set-user-id, set-group-id and sticky bits are dropped', () => {
  const root = scratchDirectory()
  assert.equal(put(root, { type: 'F', path: 'suid', mode: 0o6755 }, { type: 'D', path: 'sticky', mode: 0o3777 }).status, 0)
  assert.equal(statSync(join(root, 'suid')).mode & 0o7777, 0o755)
  assert.equal(statSync(join(root, 'sticky')).mode & 0o7777, 0o777)
})

for (const path of [
  '../out',
  '/etc/x',
  'a/../../out',
  'a//b',
  'a/./b',
  '.',
  '..',
  '',
  'a/',
  'a\0b',
  'x'.repeat(256),
  `${'x/'.repeat(2048)}x`,
]) {
  test(`the path ${JSON.stringify(path.slice(0, 20))} (${path.length} bytes) is refused`, () => {
    const root = scratchDirectory()
    const expected = path.length > 4096 ? constants.errno.ENAMETOOLONG : constants.errno.EINVAL
    assert.equal(errorNumber(put(root, { type: 'F', path, content: 'x' })), expected)
  })
}

test('a parent that is a symlink is not followed, neither out of the root nor within it', () => {
  const root = scratchDirectory()
  const outside = scratchDirectory()
  mkdirSync(join(root, 'real'))
  symlinkSync(outside, join(root, 'out'))
  symlinkSync('real', join(root, 'in'))
  symlinkSync('/proc/self/root', join(root, 'magic'))
  assert.equal(errorNumber(put(root, { type: 'F', path: 'out/x' })), constants.errno.ENOTDIR)
  assert.equal(errorNumber(put(root, { type: 'F', path: 'in/x' })), constants.errno.ENOTDIR)
  assert.equal(errorNumber(put(root, { type: 'F', path: 'magic/tmp/x' })), constants.errno.ENOTDIR)
  assert.equal(errorNumber(put(root, { type: 'D', path: 'out/deep/dir' })), constants.errno.ENOTDIR)
  assert.deepEqual([existsSync(join(outside, 'x')), existsSync(join(root, 'real/x'))], [false, false])
})

test('a symlink, a FIFO or a file in the way is replaced, its target left alone', () => {
  const root = scratchDirectory()
  const outside = join(scratchDirectory(), 'victim')
  writeFileSync(outside, 'untouched')
  symlinkSync(outside, join(root, 'link'))
  symlinkSync(outside, join(root, 'dir'))
  writeFileSync(join(root, 'old'), 'a longer content than the new one')
  assert.equal(spawnSync('mkfifo', [join(root, 'fifo')]).status, 0)
  const done = put(
    root,
    ...['link', 'fifo', 'old'].map((path) => ({ type: 'F', path, content: 'new' })),
    { type: 'D', path: 'dir' },
    { type: 'L', path: 'old2', content: 'a' },
    { type: 'L', path: 'old2', content: 'b' },
  )
  assert.equal(done.stdout.toString(), 'ready\nok 3 9\n')
  for (const name of ['link', 'fifo', 'old']) assert.equal(readFileSync(join(root, name), 'utf8'), 'new')
  assert.ok(lstatSync(join(root, 'link')).isFile())
  assert.ok(lstatSync(join(root, 'dir')).isDirectory())
  assert.equal(readlinkSync(join(root, 'old2')), 'b')
  assert.equal(readFileSync(outside, 'utf8'), 'untouched')
})

test('a directory in the way of a file is an error and stays', () => {
  const root = scratchDirectory()
  mkdirSync(join(root, 'taken'))
  assert.equal(errorNumber(put(root, { type: 'F', path: 'taken' })), constants.errno.EISDIR)
  assert.ok(lstatSync(join(root, 'taken')).isDirectory())
})

test('a stream that ends in a header, a path or a content is an error', () => {
  const whole = putFrame({ type: 'F', path: 'name', content: 'content' })
  for (const size of [0, 5, 18, 25, whole.length]) {
    const done = run(helper, ['put', scratchDirectory()], { input: whole.subarray(0, size) })
    assert.equal(errorNumber(done), constants.errno.EPROTO)
  }
})

test('sizes that lie, unknown types and contents where none belongs are errors', () => {
  const protocol = constants.errno.EPROTO
  const bad = (frame: PutFrame): number => errorNumber(put(scratchDirectory(), frame))
  assert.equal(bad({ type: 'F', path: 'huge', size: 0xffff_ffff_ffff_ffffn, content: 'x' }), protocol)
  assert.equal(bad({ type: 'L', path: 'link', size: 1n << 40n }), protocol)
  assert.equal(bad({ type: 'L', path: 'link', content: '' }), protocol)
  assert.equal(bad({ type: 'L', path: 'link', content: 'a\0b' }), protocol)
  assert.equal(bad({ type: 'D', path: 'dir', content: 'x' }), protocol)
  assert.equal(bad({ type: '?', path: 'x' }), protocol)
  assert.equal(bad({ type: '\0', path: 'x' }), protocol)
  assert.equal(bad({ type: 'E', path: '', size: 1n }), protocol)
})

test('the error names the path on one line, with odd bytes escaped', () => {
  const path = Buffer.from('a\n: \xff\\', 'latin1')
  const root = scratchDirectory()
  mkdirSync(Buffer.concat([Buffer.from(`${root}/`), path]))
  const done = put(root, { type: 'F', path })
  assert.match(done.stdout.toString(), /^ready\nerror 21 a\\x0a\\x3a\\x20\\xff\\x5c: [A-Za-z ]+\n$/)
})

test('a root that is missing, relative, a file or reached through a symlink is refused, without a word of being ready', () => {
  const root = scratchDirectory()
  writeFileSync(join(root, 'file'), '')
  symlinkSync(root, join(root, 'self'))
  for (const bad of [join(root, 'none'), 'relative', join(root, 'file'), join(root, 'self')]) {
    const done = put(bad)
    assert.ok(errorNumber(done) > 0)
    assert.ok(done.stdout.toString().startsWith('error '))
  }
  assert.equal(run(helper, ['put']).status, 125)
})

test('5,000 small files and one larger than every buffer arrive whole', () => {
  const root = scratchDirectory()
  const frames = Array.from({ length: 5000 }, (_, i): PutFrame => ({ type: 'F', path: `d${i % 50}/e/f${i}`, content: `file ${i}` }))
  const large = Buffer.alloc(3_000_001, 'abcdefg')
  const done = run(helper, ['put', root], {
    input: Buffer.concat([...frames.map(putFrame), putFrame({ type: 'F', path: 'large', content: large }), END]),
  })
  assert.match(done.stdout.toString(), /^ready\nok 5001 \d+\n$/)
  assert.equal(readFileSync(join(root, 'd7/e/f4957'), 'utf8'), 'file 4957')
  assert.ok(readFileSync(join(root, 'large')).equals(large))
})
