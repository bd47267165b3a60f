// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { EventEnvelope } from '@sallyport/core'
import { makeTemporaryDirectory } from './_temporary-directory.ts'
import type { StoredRun } from './contract.ts'
import { createRunStore } from './run-store.ts'

async function eventsOf(run: StoredRun): Promise<EventEnvelope[]> {
  return Array.fromAsync(run.events())
}

async function textOf(run: StoredRun, file: string, from: number, to: number): Promise<string> {
  return Buffer.concat(await Array.fromAsync(run.readLog(file, from, to))).toString()
}

/** A finished run `r1` with three events beside `log.opened`. */
async function makeRun(t: TestContext): Promise<string> {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  void record.append({ type: 'run.started', data: { workflows: ['ci.yml'] } })
  const log = await record.openLog('build ../../etc/passwd')
  await log.write(Buffer.from('hello '))
  await log.write(Buffer.from('world\n'))
  await record.append({ type: 'step.log', job: 'build', step: '1', data: { file: log.file, from: 0, to: log.offset } })
  await record.append({ type: 'run.finished', data: { text: 'line\nbreak \u2028 \ud800' } })
  await record.finish({ id: 'r1', conclusion: 'success', startedAt: '2026-01-01T00:00:00.000Z', durationMs: 5, workflows: ['ci.yml'] })
  return state
}

test('what was written is read back: events, logs, document, summary', async (t) => {
  const store = createRunStore(await makeRun(t))
  const run = await store.open('r1')
  const events = await eventsOf(run)
  assert.deepEqual(
    events.map(({ seq, type }) => `${seq} ${type}`),
    ['1 run.started', '2 log.opened', '3 step.log', '4 run.finished'],
  )
  assert.deepEqual(events[3]?.data, { text: 'line\nbreak \u2028 \ud800' })
  assert.equal(run.document?.['conclusion'], 'success')
  assert.equal(run.state, 'finished')
  assert.equal(run.tornBytes, 0)
  assert.equal(await textOf(run, 'log/1.log', 0, 12), 'hello world\n')
  assert.equal(await textOf(run, 'log/1.log', 6, 11), 'world')
  assert.equal(await textOf(run, 'log/1.log', 6, Number.POSITIVE_INFINITY), 'world\n')
  assert.deepEqual(await store.list(), [
    { id: 'r1', startedAt: '2026-01-01T00:00:00.000Z', durationMs: 5, conclusion: 'success', workflows: ['ci.yml'], observed: false },
  ])
})

test('a job key never becomes a file name', async (t) => {
  const state = await makeRun(t)
  assert.deepEqual(readdirSync(join(state, 'runs/r1/log')), ['1.log'])
})

test('records are readable for their owner only', async (t) => {
  const state = await makeRun(t)
  const modeOf = (path: string): string => (statSync(join(state, path)).mode & 0o777).toString(8)
  for (const path of ['runs', 'runs/r1', 'runs/r1/log']) assert.equal(modeOf(path), '700', path)
  for (const path of ['runs/r1/journal.jsonl', 'runs/r1/run.json', 'runs/r1/log/1.log']) assert.equal(modeOf(path), '600', path)
})

test('a finished record leaves neither a lock nor a temporary file', async (t) => {
  const state = await makeRun(t)
  assert.deepEqual(readdirSync(join(state, 'runs/r1')).sort(), ['journal.jsonl', 'log', 'run.json'])
})

test('an id is given once', async (t) => {
  const store = createRunStore(await makeRun(t))
  await assert.rejects(store.create('r1'), { code: 'RUN_EXISTS' })
})

test('a run is found by a unique prefix and by nothing else', async (t) => {
  const store = createRunStore(makeTemporaryDirectory(t))
  for (const id of ['ab1', 'ab12', 'b7']) await (await store.create(id))[Symbol.asyncDispose]()
  assert.equal((await store.open('ab1')).id, 'ab1', 'the exact id wins over those that it begins')
  assert.equal((await store.open('b')).id, 'b7')
  await assert.rejects(store.open('a'), { code: 'RUN_AMBIGUOUS' })
  await assert.rejects(store.open('c'), { code: 'RUN_NOT_FOUND' })
  await assert.rejects(store.open(''), { code: 'RUN_NOT_FOUND' })
  await assert.rejects(store.open('../runs/b7'), { code: 'RUN_NOT_FOUND' })
})

test('without any run the list is empty', async (t) => {
  assert.deepEqual(await createRunStore(join(makeTemporaryDirectory(t), 'none')).list(), [])
})

test('runs are listed newest first, a live one as running, a dropped one as interrupted', async (t) => {
  const state = makeTemporaryDirectory(t)
  let second = 0
  const store = createRunStore(state, () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)))
  const dropped = await store.create('x1')
  await dropped.append({ type: 'run.started', data: { workflows: ['a.yml'] } })
  await dropped[Symbol.asyncDispose]()
  await using live = await store.create('x2')
  await live.append({ type: 'run.started', data: { workflows: ['b.yml', 7], egress: 'observe' } })
  assert.deepEqual(await store.list(), [
    { id: 'x2', startedAt: '2026-01-01T00:00:01.000Z', durationMs: null, conclusion: 'running', workflows: ['b.yml'], observed: true },
    { id: 'x1', startedAt: '2026-01-01T00:00:00.000Z', durationMs: null, conclusion: 'interrupted', workflows: ['a.yml'], observed: false },
  ])
  assert.equal((await store.open('x2')).state, 'running')
  assert.equal((await store.open('x1')).state, 'interrupted')
})

for (const [what, lock] of [
  ['a process that has the same id but started at another time', { startTicks: '1' }],
  ['a process of an earlier boot', { boot: 'another' }],
  ['a process id that is not in use', { pid: 2 ** 22 + 1 }],
] as const) {
  test(`a lock of ${what} does not count as a live run`, async (t) => {
    const state = makeTemporaryDirectory(t)
    await using record = await createRunStore(state).create('r1')
    const path = join(record.directory, 'lock')
    assert.equal((await createRunStore(state).open('r1')).state, 'running')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...lock }))
    assert.equal((await createRunStore(state).open('r1')).state, 'interrupted')
  })
}

test('a torn last line is dropped and counted', async (t) => {
  const state = await makeRun(t)
  appendFileSync(join(state, 'runs/r1/journal.jsonl'), '{"seq":5,"run":"r1","at":"2')
  const run = await createRunStore(state).open('r1')
  assert.equal((await eventsOf(run)).length, 4)
  assert.equal(run.tornBytes, 27)
})

for (const [what, change] of [
  ['a removed line', (lines: string[]) => lines.toSpliced(1, 1)],
  ['two lines in the wrong order', (lines: string[]) => [lines[1], lines[0], ...lines.slice(2)]],
  ['a line that is no JSON', (lines: string[]) => lines.with(1, '{')],
  ['a line that is no event', (lines: string[]) => lines.with(1, '{"seq":2}')],
  ['a line of zero bytes', (lines: string[]) => lines.with(1, '\0'.repeat(40))],
] as const) {
  test(`${what} is reported as corruption`, async (t) => {
    const state = await makeRun(t)
    const path = join(state, 'runs/r1/journal.jsonl')
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    writeFileSync(path, `${change(lines).join('\n')}\n`)
    await assert.rejects(eventsOf(await createRunStore(state).open('r1')), { code: 'STORE_CORRUPT' })
  })
}

test('a broken document makes its own run unreadable and no other', async (t) => {
  const state = await makeRun(t)
  const store = createRunStore(state)
  await (await store.create('r2'))[Symbol.asyncDispose]()
  writeFileSync(join(state, 'runs/r1/run.json'), '{"id":')
  const conclusions = (await store.list()).map(({ id, conclusion }) => `${id} ${conclusion}`)
  assert.deepEqual(conclusions.sort(), ['r1 unreadable', 'r2 interrupted'])
  await assert.rejects(store.open('r1'), { code: 'STORE_CORRUPT' })
})

test('a log is read only by a name that the store gives', async (t) => {
  const run = await createRunStore(await makeRun(t)).open('r1')
  for (const name of ['../r1/run.json', '/etc/hostname', 'log/../run.json', 'log/0.log', 'run.json', 'log/1.log\n']) {
    await assert.rejects(textOf(run, name, 0, 10), { code: 'STORE_CORRUPT' }, name)
  }
})

test('a symbolic link in the place of a log, a journal or a document is not followed', async (t) => {
  const state = await makeRun(t)
  const store = createRunStore(state)
  const run = await store.open('r1')
  for (const name of ['log/1.log', 'journal.jsonl', 'run.json']) {
    rmSync(join(run.directory, name))
    symlinkSync('/etc/hostname', join(run.directory, name))
  }
  await assert.rejects(textOf(run, 'log/1.log', 0, 10), { code: 'STORE_UNSAFE' })
  await assert.rejects(eventsOf(run))
  await assert.rejects(store.open('r1'), { code: 'STORE_UNSAFE' })
})

test('a state directory that others may write to, or that is a link, is refused', async (t) => {
  const open = join(makeTemporaryDirectory(t), 'open')
  await (await createRunStore(open).create('r1'))[Symbol.asyncDispose]()
  chmodSync(open, 0o777)
  await assert.rejects(createRunStore(open).create('r2'), { code: 'STORE_UNSAFE' })
  chmodSync(open, 0o700)
  const link = join(makeTemporaryDirectory(t), 'link')
  symlinkSync(open, link)
  await assert.rejects(createRunStore(link).create('r2'), { code: 'STORE_UNSAFE' })
  const file = join(makeTemporaryDirectory(t), 'file')
  writeFileSync(file, '')
  await assert.rejects(createRunStore(file).create('r2'), { code: 'STORE_UNSAFE' })
})

test('many writers of one record get one sequence without gaps', async (t) => {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  const write = async (job: string): Promise<void> => {
    const log = await record.openLog(job)
    for (let index = 0; index < 50; index += 1) {
      await log.write(Buffer.from(`${job}\n`))
      await record.append({ type: 'test.line', job, data: { file: log.file, index } })
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, index) => write(`job ${index}`)))
  const run = await createRunStore(state).open('r1')
  const events = await eventsOf(run)
  assert.equal(events.length, 20 * 51)
  for (const { job, data } of events.filter(({ type }) => type === 'log.opened')) {
    assert.equal(await textOf(run, String(data['file']), 0, 1e6), `${job}\n`.repeat(50))
  }
})

test('finishing twice replaces the document as a whole', async (t) => {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('r1')
  writeFileSync(join(record.directory, `run.json.${process.pid}.tmp`), 'left by a crash')
  await record.finish({ conclusion: 'failure' })
  await record.finish({ conclusion: 'success' })
  assert.equal((await createRunStore(state).open('r1')).document?.['conclusion'], 'success')
})

test('a log refuses writes after its end', async (t) => {
  const record = await createRunStore(makeTemporaryDirectory(t)).create('r1')
  const log = await record.openLog('build')
  await record[Symbol.asyncDispose]()
  await record[Symbol.asyncDispose]()
  await assert.rejects(log.write(Buffer.from('x')), { code: 'STORE_CLOSED' })
  await assert.rejects(record.append({ type: 'test.late', data: {} }), { code: 'STORE_CLOSED' })
})
