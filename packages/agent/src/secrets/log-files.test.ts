// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { chunksOf, FollowedFile, filesOf } from './log-files.ts'

async function textOf(path: string): Promise<string> {
  return Buffer.concat(await Array.fromAsync(chunksOf(path))).toString()
}

async function look(file: FollowedFile): Promise<readonly string[]> {
  const seen = await Array.fromAsync(file.look())
  return seen.map((each) => (each.kind === 'chunk' ? Buffer.from(each.bytes).toString() : each.kind))
}

test('files are read in the order in which they are named, and in directories in that of their names', async (t) => {
  const directory = makeDirectory(t)
  mkdirSync(join(directory, '2026/11'), { recursive: true })
  for (const name of ['b.json', 'a.json.gz', '2026/11/c.json']) writeFileSync(join(directory, name), '')
  symlinkSync('/etc/passwd', join(directory, 'link'))
  const named = (await filesOf([join(directory, 'b.json'), directory])).map((path) => path.slice(directory.length + 1))
  assert.deepEqual(named, ['b.json', '2026/11/c.json', 'a.json.gz', 'b.json'])
  await assert.rejects(filesOf([join(directory, 'none')]), { code: 'MANAGER_LOG_UNREADABLE' })
})

test('what ends in .gz is unzipped, and damage is an error', async (t) => {
  const path = join(makeDirectory(t), 'log.gz')
  writeFileSync(path, gzipSync('one\n'))
  assert.equal(await textOf(path), 'one\n')
  for (const bytes of [gzipSync('one\n').subarray(0, -4), Buffer.from('no gzip')]) {
    writeFileSync(path, bytes)
    await assert.rejects(textOf(path), { code: 'MANAGER_LOG_UNREADABLE' })
  }
})

describe('a file that is followed', () => {
  test('is read on from where it was, and in its successor once it is rotated', async (t) => {
    const path = join(makeDirectory(t), 'log')
    writeFileSync(path, 'one\n')
    await using file = new FollowedFile(path)
    assert.deepEqual(await look(file), ['one\n'])
    assert.deepEqual(await look(file), [])
    appendFileSync(path, 'two\n')
    assert.deepEqual(await look(file), ['two\n'])
    renameSync(path, `${path}.1`)
    appendFileSync(`${path}.1`, 'three\n')
    // There is none for a moment
    assert.deepEqual(await look(file), ['three\n'])
    writeFileSync(path, 'four\n')
    assert.deepEqual(await look(file), ['rotated', 'four\n'])
  })

  test('that became shorter says so, and is read from its beginning', async (t) => {
    const path = join(makeDirectory(t), 'log')
    writeFileSync(path, 'one\ntwo\n')
    await using file = new FollowedFile(path)
    assert.deepEqual(await look(file), ['one\ntwo\n'])
    truncateSync(path, 0)
    writeFileSync(path, 'new\n', { flag: 'r+' })
    assert.deepEqual(await look(file), ['cut', 'new\n'])
  })

  test('has to be there in the beginning', async (t) => {
    await using file = new FollowedFile(join(makeDirectory(t), 'none'))
    await assert.rejects(look(file), { code: 'MANAGER_LOG_UNREADABLE' })
  })
})
