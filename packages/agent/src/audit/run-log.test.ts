// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CompactRange, type LogEntry, leafHash, parseProof, readEntries } from '@sallyport/audit-log'
import type { EventEnvelope } from '@sallyport/core'
import { createRunStore, directoryTileSource } from '@sallyport/store'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { auditCommands } from './commands.ts'
import type { AuditFilter, AuditPlace, AuditReport, VerifyOptions } from './contract.ts'
import { RunLog } from './run-log.ts'

const RUN = '20261129-140200-abcdef'
const ANY: AuditFilter = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }

function placeIn(stateDirectory: string): AuditPlace {
  return { stateDirectory, directory: null, key: null }
}

function eventsOf(...events: readonly Partial<EventEnvelope>[]): EventEnvelope[] {
  return events.map((event, index) => ({ seq: index + 1, run: RUN, at: '2026-11-29T14:02:00.000Z', type: 'a.b', data: {}, ...event }))
}

async function log(state: string, run: string, events: readonly EventEnvelope[]): ReturnType<RunLog['close']> {
  await using runLog = new RunLog(state, run)
  for (const event of events) runLog.add(event)
  return await runLog.close()
}

async function show(state: string, filter: Partial<AuditFilter> = {}): Promise<LogEntry[]> {
  const shown = await Array.fromAsync(auditCommands.show(placeIn(state), { ...ANY, ...filter }))
  return shown.map(({ entry }) => entry)
}

const PLAIN: VerifyOptions = { remember: null, policy: null, freshnessS: null, archives: null }

const verify = (state: string, options: Partial<VerifyOptions> = {}): Promise<AuditReport> =>
  auditCommands.verify(placeIn(state), { ...PLAIN, ...options })

/** The files of the tree, by their paths. */
function entriesFile(state: string): string {
  const directory = join(state, 'audit/log/tile/entries/000.p')
  return join(directory, readdirSync(directory)[0] ?? '')
}

test('a run is a source of the log, from its beginning to an end with counts and a root', async (t: TestContext) => {
  const state = makeDirectory(t)
  const place = await log(
    state,
    RUN,
    eventsOf({ type: 'run.started' }, { type: 'step.started', job: 'build', step: '1' }, { type: 'run.finished' }),
  )
  assert.deepEqual([place?.first, place?.last, place?.size], [0, 5, 6])
  const report = await verify(state)
  assert.deepEqual([report.sound, report.size, report.publishedNow, report.openRuns], [true, 6, 6, []])
  const entries = await show(state)
  assert.deepEqual(
    entries.map(({ seq, source, type, job }) => [seq, source, type, job]),
    ['source.opened', 'run.started', 'step.started', 'run.finished', 'job.closed', 'source.closed'].map((type, index) => [
      index + 1,
      `run/${RUN}`,
      type,
      type === 'step.started' || type === 'job.closed' ? 'build' : undefined,
    ]),
  )
  const tree = new CompactRange()
  for await (const { bytes } of readEntries(directoryTileSource(join(state, 'audit/log')), { size: 6, from: 0, to: 5 }))
    tree.append(leafHash(bytes))
  assert.deepEqual(entries.at(-1)?.data, { events: 6, dropped: {}, root: Buffer.from(tree.root()).toString('base64') })
})

test('what waits for the log is told when the first of it is durable there, while the run goes on', async (t) => {
  const state = makeDirectory(t)
  await using runLog = new RunLog(state, RUN)
  for (const event of eventsOf({ type: 'step.started', data: { secrets: ['TOKEN'] } }, { type: 'a.b' })) runLog.add(event)
  await runLog.durable(1)
  const given = await show(state, { secret: 'TOKEN' })
  assert.deepEqual(
    given.map(({ type }) => type),
    ['step.started'],
  )
})

test('runs that write at the same time share the log', async (t) => {
  const state = makeDirectory(t)
  const runs = Array.from({ length: 5 }, (_, index) => `20261129-140200-00000${index}`)
  await Promise.all(runs.map((run) => log(state, run, eventsOf({}, {}))))
  const report = await verify(state)
  assert.deepEqual([report.sound, report.size], [true, 20])
})

test('events that no entry can hold are kept beside the log', async (t) => {
  const state = makeDirectory(t)
  let deep: unknown = 1
  for (let depth = 0; depth < 100; depth += 1) deep = { deep }
  await log(
    state,
    RUN,
    eventsOf(
      { type: 'big', data: { text: 'x'.repeat(20_000) } },
      { type: 'deep', data: { deep } },
      { type: 'half', job: 'j\ud800'.repeat(1000), data: { '\ud800': '\ud800' } },
    ),
  )
  const beside = (await show(state)).filter((entry) => entry.private !== undefined).map(({ type }) => type)
  assert.deepEqual(
    beside.filter((type) => type !== 'source.opened'),
    ['big', 'deep', 'half'],
  )
  assert.equal((await verify(state)).sound, true)
})

test('the log commits to what a step printed, and holds none of it', async (t) => {
  const state = makeDirectory(t)
  const commitment = Buffer.alloc(32, 7).toString('base64')
  const where = { file: 'log/1.log', from: 3, to: 12, piece: 2, bytes: 9 }
  await log(
    state,
    RUN,
    eventsOf({ type: 'step.log', data: { ...where, commitment } }, { type: 'step.log', data: { ...where, commitment: null } }),
  )
  const [printed, silent] = (await show(state)).filter(({ type }) => type === 'step.log')
  assert.deepEqual([printed?.data, printed?.private], [where, { commitment, bytes: 9 }])
  assert.deepEqual([silent?.data, silent?.private], [{ ...where, commitment: null }, undefined])
})

test('a run that was cut off is said to be, and is no manipulation', async (t) => {
  const state = makeDirectory(t)
  {
    await using _record = await createRunStore(state).create(RUN)
    await using runLog = new RunLog(state, RUN)
    for (const event of eventsOf({})) runLog.add(event)
    await runLog.durable(1)
    assert.deepEqual((await verify(state)).openRuns, [{ run: RUN, state: 'running' }])
  }
  const report = await verify(state)
  assert.deepEqual([report.sound, report.openRuns], [true, [{ run: RUN, state: 'cut-off' }]])
})

test('a log that cannot be written fails with its path and a remedy, then and later', async (t) => {
  const state = makeDirectory(t)
  writeFileSync(join(state, 'audit'), 'in the way')
  await using runLog = new RunLog(state, RUN)
  for (const event of eventsOf({})) runLog.add(event)
  const isTold = (error: Error & { code?: string; hint?: string }): boolean =>
    error.code === 'AUDIT_LOG_UNWRITABLE' && error.message.includes(join(state, 'audit')) && (error.hint ?? '') !== ''
  await assert.rejects(runLog.durable(1), isTold)
  await assert.rejects(runLog.durable(0), isTold)
  await assert.rejects(runLog.close(), isTold)
})

test('a log that lost entries which were signed takes no others', async (t) => {
  const state = makeDirectory(t)
  await log(state, RUN, eventsOf({}))
  await verify(state)
  for (const name of readdirSync(join(state, 'audit'))) if (name !== 'origin') rmSync(join(state, 'audit', name), { recursive: true })
  await assert.rejects(log(state, RUN, eventsOf({})), { code: 'AUDIT_LOG_UNWRITABLE', details: { reason: 'LOG_ROLLED_BACK' } })
  assert.deepEqual([(await verify(state)).manipulation], ['log-deleted'])
})

test('an edited entry is named', async (t) => {
  const state = makeDirectory(t)
  await log(state, RUN, eventsOf({ data: { word: 'right' } }, {}))
  await verify(state)
  const file = entriesFile(state)
  writeFileSync(file, readFileSync(file, 'latin1').replace('right', 'wrong'), 'latin1')
  const { sound, manipulation, firstWrong } = await verify(state)
  assert.deepEqual([sound, manipulation, firstWrong], [false, 'entry-edited', { first: 1, last: 1 }])
})

test('log and keys that were put back together are found by who remembers, and by nobody else', async (t) => {
  const state = makeDirectory(t)
  const memory = join(makeDirectory(t), 'head')
  await log(state, RUN, eventsOf({}))
  await verify(state)
  const before = makeDirectory(t)
  cpSync(state, before, { recursive: true })
  await log(state, '20261129-150000-abcdef', eventsOf({}))
  assert.equal((await verify(state, { remember: memory })).sound, true)
  rmSync(state, { recursive: true })
  mkdirSync(state, { mode: 0o700 })
  cpSync(before, state, { recursive: true })
  assert.equal((await verify(state)).sound, true)
  const { sound, manipulation } = await verify(state, { remember: memory })
  assert.deepEqual([sound, manipulation], [false, 'rolled-back'])
  writeFileSync(memory, '{}')
  await assert.rejects(verify(state, { remember: memory }), { code: 'AUDIT_MEMORY_INVALID' })
})

test('other keys in the place of the log’s own are found by who names the one that is trusted', async (t) => {
  const [state, other] = [makeDirectory(t), makeDirectory(t)]
  await log(state, RUN, eventsOf({}))
  await log(other, RUN, eventsOf({}))
  const { key } = await verify(state)
  await verify(other)
  const report = await auditCommands.verify({ stateDirectory: state, directory: join(other, 'audit'), key }, PLAIN)
  assert.deepEqual([report.sound, report.manipulation], [false, 'other-log'])
  await assert.rejects(auditCommands.verify({ ...placeIn(state), key: 'x' }, PLAIN), { code: 'AUDIT_KEY_INVALID' })
})

test('entries are found by run, job, type, time, secret, destination and caller', async (t) => {
  const state = makeDirectory(t)
  await log(
    state,
    RUN,
    eventsOf(
      { type: 'door.refused', job: 'build', data: { target: 'evil.test:443' } },
      { type: 'door.used', job: 'test', data: { host: 'good.test', port: 443 } },
      { type: 'late', at: '2026-11-30T00:00:00.000Z' },
    ),
  )
  const types = async (filter: Partial<AuditFilter>): Promise<string[]> => (await show(state, filter)).map(({ type }) => type)
  assert.deepEqual(await types({ host: 'evil.test' }), ['door.refused'])
  assert.deepEqual(await types({ host: 'good.test' }), ['door.used'])
  assert.deepEqual(await types({ host: 'evil' }), [])
  assert.deepEqual(await types({ job: 'build' }), ['door.refused', 'job.closed'])
  assert.deepEqual(await types({ type: 'late', until: '2026-11-29' }), [])
  assert.deepEqual(await types({ type: 'late', since: '2026-11-30', until: '2026-11-30' }), ['late'])
  assert.equal((await types({ run: '20261129-1402' })).length, 7)
  assert.deepEqual(await types({ run: '20261128' }), [])
  assert.deepEqual(await types({ actor: 'nobody-of-this-name' }), [])
})

test('a proof leads from the last entry of a run, or any other one, to the signed checkpoint', async (t) => {
  const state = makeDirectory(t)
  await log(state, RUN, eventsOf({}))
  const last = await auditCommands.prove(placeIn(state), RUN.slice(0, 10), null)
  assert.deepEqual([last.index, last.size, last.entry.type, parseProof(Buffer.from(last.proof)).index], [2, 3, 'source.closed', 2])
  assert.equal((await auditCommands.prove(placeIn(state), RUN, 1)).entry.type, 'a.b')
  for (const [run, index] of [
    ['x', null],
    [RUN, 99],
  ] as const)
    await assert.rejects(auditCommands.prove(placeIn(state), run, index), { code: 'AUDIT_ENTRY_NOT_FOUND' })
  await assert.rejects(auditCommands.prove(placeIn(makeDirectory(t)), RUN, null), { code: 'AUDIT_LOG_NOT_FOUND' })
})
