// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Commitment, commitTo } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from './_temporary-directory.ts'
import type { CommittedOutput, StoredRun } from './contract.ts'
import { createRunStore } from './run-store.ts'

interface Printed {
  readonly state: string
  readonly run: StoredRun
  readonly pieces: readonly CommittedOutput[]
}

/** A run of which each piece prints one of `texts`, chunk by chunk. */
async function print(t: TestContext, ...texts: readonly (readonly string[])[]): Promise<Printed> {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  const log = await record.openLog('build')
  const pieces: CommittedOutput[] = []
  for (const text of texts) {
    const piece = log.beginPiece()
    for (const chunk of text) await log.write(Buffer.from(chunk))
    pieces.push(await piece.end())
  }
  await record.finish({ conclusion: 'success' })
  return { state, run: await createRunStore(state).open('r1'), pieces }
}

function commitmentOf({ commitment, from, to }: CommittedOutput): Commitment {
  assert.ok(commitment !== null)
  return { commitment, bytes: to - from }
}

const check = (run: StoredRun, piece: CommittedOutput): ReturnType<StoredRun['checkOutput']> => run.checkOutput(piece, commitmentOf(piece))

test('each piece of output has a salted commitment of its own, and is what it commits to', async (t) => {
  const { state, run, pieces } = await print(t, ['hello ', 'world\n'], [], ['hello world\n'])
  const [one, silent, two] = pieces as [CommittedOutput, CommittedOutput, CommittedOutput]
  assert.deepEqual([one.from, one.to, silent.commitment, two.from, two.to], [0, 12, null, 12, 24])
  assert.notEqual(one.commitment, two.commitment, 'nobody can tell that they printed the same')
  assert.deepEqual([await check(run, one), await check(run, two)], ['kept', 'kept'])
  const salt = createHmac('sha256', readFileSync(join(state, 'runs/r1/log/1.key')))
    .update('sallyport/output/3')
    .digest()
  assert.deepEqual(commitTo(salt, Buffer.from('hello world\n')), commitmentOf(two))
})

test('writes that do not wait for each other stand in their order, each in its piece', async (t) => {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  const log = await record.openLog('build')
  const first = log.beginPiece()
  const texts = Array.from({ length: 3000 }, (_, index) => `${index}\n`)
  const written = texts.map((text) => log.write(Buffer.from(text)))
  const ending = first.end()
  written.push(log.write(Buffer.from('of no piece\n')))
  const piece = await ending
  await Promise.all(written)
  await record.finish({ conclusion: 'success' })
  assert.equal(readFileSync(join(state, 'runs/r1/log/1.log'), 'utf8'), `${texts.join('')}of no piece\n`)
  assert.deepEqual([piece.from, piece.to], [0, texts.join('').length])
  assert.equal(await check(await createRunStore(state).open('r1'), piece), 'kept')
})

test('a run that prints nothing has no key', async (t) => {
  const { state } = await print(t, [], [''])
  assert.deepEqual(readdirSync(join(state, 'runs/r1/log')), ['1.log'])
})

test('what was left of an interrupted piece belongs to no other', async (t) => {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  const log = await record.openLog('build')
  log.beginPiece()
  await log.write(Buffer.from('cut off'))
  const piece = log.beginPiece()
  await log.write(Buffer.from('whole'))
  const committed = await piece.end()
  assert.deepEqual([committed.from, committed.to], [7, 12])
  assert.equal(await check(await createRunStore(state).open('r1'), committed), 'kept')
})

test('output that was changed, cut or moved is not what was committed to', async (t) => {
  const { state, run, pieces } = await print(t, ['right\n'], ['more\n'])
  const [piece] = pieces as [CommittedOutput]
  const path = join(state, 'runs/r1/log/1.log')
  const kept = readFileSync(path)
  for (const other of ['wrong\nmore\n', 'righ', '', ' right\nmore\n']) {
    writeFileSync(path, other)
    assert.equal(await check(run, piece), 'different', other)
  }
  writeFileSync(path, kept)
  assert.equal(await check(run, piece), 'kept')
  assert.equal(await run.checkOutput({ ...piece, piece: 2 }, commitmentOf(piece)), 'different')
  assert.equal(await run.checkOutput({ ...piece, file: '../../../etc/passwd' }, commitmentOf(piece)), 'different')
  assert.equal(await run.checkOutput(piece, { ...commitmentOf(piece), bytes: 1 }), 'different')
  writeFileSync(join(state, 'runs/r1/log/1.key'), Buffer.alloc(32))
  assert.equal(await check(run, piece), 'different')
  writeFileSync(join(state, 'runs/r1/log/1.key'), Buffer.alloc(64))
  assert.equal(await check(run, piece), 'different')
})

test('erased output is gone with its key, and the rest of the record stays', async (t) => {
  const { state, run, pieces } = await print(t, ['private\n'])
  const [piece] = pieces as [CommittedOutput]
  await createRunStore(state).erase('r1', 'output')
  await createRunStore(state).erase('r1', 'output')
  assert.deepEqual(readdirSync(join(state, 'runs/r1/log')), [])
  assert.equal(await check(run, piece), 'gone')
  await assert.rejects(Array.fromAsync(run.readLog(piece.file, 0, 1)), { code: 'PAYLOAD_ERASED' })
  assert.equal((await createRunStore(state).open('r1')).document?.['conclusion'], 'success')
})

test('the document of an erased record is overwritten, and what a crash left of one, too', async (t) => {
  const { state } = await print(t, ['x'])
  const directory = join(state, 'runs/r1')
  writeFileSync(join(directory, 'run.json.17.tmp'), 'with its salt')
  const kept = ['run.json', 'run.json.17.tmp'].map((name) => ({ name, copy: join(state, name) }))
  for (const { name, copy } of kept) linkSync(join(directory, name), copy)
  symlinkSync(join(state, 'somebody-elses'), join(directory, 'run.json.18.tmp'))
  writeFileSync(join(state, 'somebody-elses'), 'x')
  await createRunStore(state).erase('r1', 'record')
  for (const { copy } of kept) assert.ok(readFileSync(copy).every((byte) => byte === 0))
  assert.equal(readFileSync(join(state, 'somebody-elses'), 'utf8'), 'x')
})

test('an erased record is gone as a whole, also when a crash left a part of it', async (t) => {
  const { state } = await print(t, ['private\n'])
  const store = createRunStore(state)
  const runs = join(state, 'runs')
  // As after a crash behind the first step
  renameSync(join(runs, 'r1'), join(runs, '.erasing-r1'))
  rmSync(join(runs, '.erasing-r1/run.json'))
  assert.deepEqual(await store.list(), [])
  await store.erase('r1', 'record')
  assert.deepEqual(readdirSync(runs), [])
  await store.erase('r1', 'record')
  const other = await print(t, ['x'])
  mkdirSync(join(other.state, 'runs/r2'))
  await createRunStore(other.state).erase('r1', 'record')
  assert.deepEqual([existsSync(join(other.state, 'runs/r1')), existsSync(join(other.state, 'runs/r2'))], [false, true])
  await assert.rejects(createRunStore(state).erase('../audit', 'record'), TypeError)
})
