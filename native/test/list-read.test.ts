// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type Answer,
  buildHelper,
  type Listed,
  parseAnswers,
  parseListing,
  putStream,
  readRequests,
  run,
  scratchDirectory,
} from './_helper.ts'

const helper = buildHelper()

function list(root: string, max: number): Listed[] {
  const done = run(helper, ['list', root, String(max)])
  assert.equal(done.status, 0, done.stderr)
  return parseListing(done.stdout)
}

function read(root: string, max: number, ...paths: (string | Buffer)[]): Answer[] {
  const done = run(helper, ['read', root, String(max)], { input: readRequests(...paths) })
  assert.equal(done.status, 0, done.stderr)
  return parseAnswers(done.stdout)
}

/** A tree with one of everything that a job can leave behind without privileges. */
async function hostileTree(): Promise<{ root: string; close: () => void }> {
  const root = scratchDirectory()
  mkdirSync(join(root, 'dir'))
  writeFileSync(join(root, 'dir/file'), 'content')
  chmodSync(join(root, 'dir/file'), 0o4755)
  symlinkSync('/etc/passwd', join(root, 'link'))
  symlinkSync('dir', join(root, 'dirlink'))
  symlinkSync('/proc/self/root', join(root, 'magic'))
  writeFileSync(Buffer.from(`${root}/new\nline \xff`, 'latin1'), 'odd')
  assert.equal(spawnSync('mkfifo', [join(root, 'fifo')]).status, 0)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve))
  return { root, close: () => server.close() }
}

test('a listing tells types, modes, sizes and raw names, and follows no symlink', async () => {
  const { root, close } = await hostileTree()
  const entries = list(root, 100)
  close()
  const end = entries.pop()
  assert.deepEqual([end?.type, end?.size], ['E', 8n])
  const types = Object.fromEntries(entries.map(({ path, type }) => [path, type]))
  assert.deepEqual(types, {
    dir: 'd',
    'dir/file': 'f',
    link: 'l',
    dirlink: 'l',
    magic: 'l',
    'new\nline \xff': 'f',
    fifo: 'o',
    socket: 'o',
  })
  const file = entries.find(({ path }) => path === 'dir/file')
  assert.deepEqual([file?.mode, file?.size], [0o4755, 7n])
})

test("the time of a change is the kernel's, not one that the owner chose", () => {
  const root = scratchDirectory()
  const startNs = BigInt(Date.now() - 1000) * 1_000_000n
  writeFileSync(join(root, 'file'), '')
  utimesSync(join(root, 'file'), 1, 1)
  const [file] = list(root, 10)
  assert.ok(file !== undefined && file.changedNs > startNs)
})

test('a listing of more than MAX entries is cut and says so', () => {
  const root = scratchDirectory()
  for (let i = 0; i < 5000; i++) writeFileSync(join(root, `file${i}`), '')
  const cut = list(root, 4999)
  assert.deepEqual([cut.length, cut.at(-1)?.type, cut.at(-1)?.size], [5000, 'T', 4999n])
  const whole = list(root, 5000)
  assert.deepEqual([whole.length, whole.at(-1)?.type, whole.at(-1)?.size], [5001, 'E', 5000n])
})

test('directories below 256 levels are listed but not entered', () => {
  const root = scratchDirectory()
  mkdirSync(join(root, 'd/'.repeat(300)), { recursive: true })
  const entries = list(root, 1000)
  assert.equal(entries.length, 258)
  assert.deepEqual(
    entries.slice(-3).map(({ type }) => type),
    ['d', 'o', 'E'],
  )
})

test('no listed path is longer than the 4,096 bytes that can be read', () => {
  const root = scratchDirectory()
  const name = 'n'.repeat(255)
  const path = Array.from({ length: 15 }, () => name).join('/')
  // In two steps, because the whole path is longer than the kernel takes at once.
  for (const from of [root, join(root, path)]) {
    assert.equal(run(helper, ['put', from], { input: putStream({ type: 'D', path, mode: 0o755 }) }).status, 0)
  }
  const entries = list(root, 1000)
  assert.deepEqual(
    entries.slice(-2).map(({ type }) => type),
    ['o', 'E'],
  )
  for (const { path } of entries) assert.ok(path.length <= 4096)
  assert.equal(spawnSync('rm', ['-rf', join(root, name)]).status, 0)
})

test('a mount below the root is not entered', () => {
  const root = scratchDirectory()
  mkdirSync(join(root, 'mounted'))
  const script = `mount -t tmpfs none '${root}/mounted' && touch '${root}/mounted/hidden' && exec '${helper}' list '${root}' 10`
  const done = run('unshare', ['-n', '-m', 'sh', '-c', script])
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual(
    parseListing(done.stdout).map(({ type, path }) => [type, path]),
    [
      ['o', 'mounted'],
      ['E', ''],
    ],
  )
})

test('regular files are read whole, in the order asked for', () => {
  const root = scratchDirectory()
  const large = Buffer.alloc(1_000_000, 'xyz')
  mkdirSync(join(root, 'a'))
  writeFileSync(join(root, 'a/large'), large)
  writeFileSync(join(root, 'empty'), '')
  const [first, second] = read(root, 1_000_000, 'a/large', 'empty')
  assert.deepEqual([first?.status, first?.size, first?.end], ['F', 1_000_000n, 0])
  assert.ok(first?.content?.equals(large))
  assert.deepEqual(second, { status: 'F', size: 0n, content: Buffer.alloc(0), end: 0 })
})

test('what is no regular file, or lies behind a symlink, has no content and blocks nothing', async () => {
  const { root, close } = await hostileTree()
  const answers = read(root, 1000, 'fifo', 'socket', 'dir', 'link', 'dirlink/file', 'magic/etc/passwd', 'absent', 'dir/file/x', 'dir/file')
  close()
  assert.deepEqual(
    answers.map(({ status }) => status),
    ['N', 'N', 'N', 'N', 'N', 'N', 'N', 'N', 'F'],
  )
})

test('paths that are not clean are refused with EINVAL', () => {
  const root = scratchDirectory()
  const answers = read(root, 10, '../etc/passwd', '/etc/passwd', 'a/../b', 'a//b', './a', 'a\0b')
  for (const answer of answers) assert.deepEqual([answer.status, answer.size], ['X', BigInt(constants.errno.EINVAL)])
  assert.equal(answers.length, 6)
})

test('a file larger than MAX is named with its size, and one that grows beyond it is cut', () => {
  const root = scratchDirectory()
  writeFileSync(join(root, 'large'), '')
  truncateSync(join(root, 'large'), 2 ** 40)
  const [large] = read(root, 1000, 'large')
  assert.deepEqual([large?.status, large?.size], ['T', 2n ** 40n])
  // Files of /proc have a size of 0 and a content: what a file looks like that grew after it was looked at.
  const [grown] = read(`/proc/${process.pid}`, 3, 'status')
  assert.deepEqual(grown, { status: 'F', size: 0n, content: Buffer.from('Nam'), end: 0xffff_ffff })
})

test('requests that are cut short or too long end the answers with an error', () => {
  const root = scratchDirectory()
  const tooLong = Buffer.alloc(4)
  tooLong.writeUInt32LE(4097)
  for (const input of [Buffer.from([5, 0]), Buffer.from([5, 0, 0, 0, 97]), tooLong, Buffer.alloc(4)]) {
    const done = run(helper, ['read', root, '10'], { input })
    assert.deepEqual([done.status, done.stdout.length], [125, 0])
  }
})

test('limits that are no numbers are refused', () => {
  const root = scratchDirectory()
  for (const max of ['0', '-1', '1x', '', '99999999999999999999', ' 1']) {
    assert.equal(run(helper, ['list', root, max]).status, 125)
    assert.equal(run(helper, ['read', root, max]).status, 125)
  }
})
