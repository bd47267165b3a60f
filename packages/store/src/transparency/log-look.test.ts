// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, globSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { encodeEntry, readEntries, rootAt, TileHashes } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { lockExclusively } from '../exclusive-lock.ts'
import { MemorySigner } from './_memory-signer.ts'
import { type LogLook, lookAtLog } from './log-look.ts'
import { openTransparencyLog } from './open-log.ts'

const FACTS = { v: 1, at: '2026-11-29T14:02:00.000Z', source: 'run/1', type: 'a.b' } as const

function entries(first: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => encodeEntry({ ...FACTS, seq: first + index + 1 }))
}

const look = (directory: string): Promise<LogLook<null>> => lookAtLog(directory, { waitMs: 0, also: async () => null })

function durableOf({ durable }: LogLook<null>): { readonly size: number; readonly problem: string } {
  return 'source' in durable ? { size: durable.head.size, problem: '' } : { size: -1, problem: durable.problem }
}

/** 300 entries are published, 200 more in the tree, and `left` more pending. */
async function logWith(t: TestContext, left: number): Promise<string> {
  const directory = join(makeTemporaryDirectory(t), 'audit')
  const signer = new MemorySigner()
  const write = async (first: number, count: number, end: 'publish' | 'integrate' | 'leave'): Promise<void> => {
    await using log = await openTransparencyLog(directory, { signer, cosigner: null, lockWaitMs: 0 })
    await log.append(entries(first, count))
    if (end === 'publish') await log.publish()
    if (end === 'leave') await log.leave()
  }
  await write(0, 300, 'publish')
  await write(300, 200, 'integrate')
  if (left > 0) await write(500, left, 'leave')
  return directory
}

function filesOf(directory: string): string[] {
  return globSync('**', { cwd: directory }).map((name) => `${name} ${statSync(join(directory, name)).mtimeMs}`)
}

for (const left of [0, 1, 12, 700])
  test(`a look finds what is published, and all that is durable with ${left} entries pending, and changes nothing`, async (t) => {
    const directory = await logWith(t, left)
    const before = filesOf(directory)
    const { published, durable, isStill, minimumIndex } = await look(directory)
    assert.ok('source' in durable)
    const { source, head } = durable
    assert.deepEqual([head.size, isStill, minimumIndex], [500 + left, true, 0])
    assert.deepEqual(await rootAt(new TileHashes(source, head.size), head.size), head.root)
    const found = await Array.fromAsync(readEntries(source, { size: head.size, from: 0, to: head.size }), ({ bytes }) => Buffer.from(bytes))
    assert.deepEqual(found, entries(0, 500 + left).map(Buffer.from))
    assert.match(Buffer.from((await published.read('checkpoint')) ?? []).toString(), /\n300\n/)
    assert.deepEqual(filesOf(directory), before)
  })

test('a look keeps the checkpoint that was there, whatever is put in its place', async (t) => {
  const directory = await logWith(t, 0)
  const { published } = await look(directory)
  const before = await published.read('checkpoint')
  writeFileSync(join(directory, 'log/checkpoint'), 'another')
  assert.deepEqual(await published.read('checkpoint'), before)
})

test('a look says why the log cannot go on', async (t) => {
  const whole = await logWith(t, 12)
  const problems: readonly (readonly [string, (directory: string) => void, RegExp])[] = [
    ['tree', (directory) => writeFileSync(join(directory, 'tree.json'), '{"size":499}'), /does not say which tree is durable/],
    ['tile', (directory) => rmSync(join(directory, 'log/tile/0'), { recursive: true }), /is missing/],
    ['foreign', (directory) => writeFileSync(join(directory, 'pending/other'), ''), /no file of ours/],
    ['rolled back', (directory) => rmSync(join(directory, 'tree.json')), /neither in the tree nor pending/],
  ]
  for (const [name, damage, expected] of problems) {
    const directory = join(makeTemporaryDirectory(t), 'audit')
    cpSync(whole, directory, { recursive: true })
    damage(directory)
    assert.match(durableOf(await look(directory)).problem, expected, name)
  }
})

test('a look does not take a torn commit for one', async (t) => {
  const directory = await logWith(t, 12)
  const [name = ''] = globSync('pending/*', { cwd: directory })
  const bytes = readFileSync(join(directory, name))
  writeFileSync(join(directory, name), bytes.subarray(0, bytes.length - 3))
  assert.deepEqual(durableOf(await look(directory)), { size: 500, problem: '' })
})

test('a look at a log that somebody holds says that its parts may be of different moments', async (t) => {
  const directory = await logWith(t, 0)
  await using _log = await openTransparencyLog(directory, { signer: new MemorySigner(), cosigner: null, lockWaitMs: 0 })
  assert.equal((await look(directory)).isStill, false)
})

test('a look does not come between a signature and its publication', async (t) => {
  const directory = await logWith(t, 0)
  const turn = (await lockExclusively(join(directory, 'publishing'), 0)) ?? assert.fail()
  assert.equal((await look(directory)).isStill, false)
  await turn.close()
  assert.equal((await look(directory)).isStill, true)
})

test('a look at nothing finds nothing', async (t) => {
  const found = await look(join(makeTemporaryDirectory(t), 'audit'))
  assert.deepEqual([found.hasCheckpoint, found.isStill, durableOf(found).size], [false, false, 0])
})
