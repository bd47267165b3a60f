// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LogEntry } from '@sallyport/audit-log'
import { createRunStore } from '@sallyport/store'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { checkPayloads } from './check-payloads.ts'
import { auditCommands } from './commands.ts'
import type { AuditFilter, AuditReport, ShownEntry } from './contract.ts'
import { retentionCommands } from './retention-commands.ts'
import type { CheckedPayload, HoldSelection } from './retention-contract.ts'
import { RunLog } from './run-log.ts'

const ANY: AuditFilter = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }
const NOTHING: HoldSelection = { run: null, class: null, since: null, until: null, reason: 'case 4711' }
const RUN = '20261129-140200-abcdef'
const OTHER = '20261129-150000-abcdef'

/** A state directory in which `run` has printed `text` in two steps, as an exec does. */
async function record(state: string, run: string, { text = 'private\n', filler = 0, ends = true } = {}): Promise<void> {
  await using recorded = await createRunStore(state).create(run)
  await using log = new RunLog(state, run)
  recorded.onEvent = (event) => log.add(event)
  void recorded.append({ type: 'run.started', data: { workflows: ['ci.yml'] } })
  const output = await recorded.openLog('build')
  for (const step of ['1', '2']) {
    const piece = output.beginPiece()
    await output.write(Buffer.from(text))
    await recorded.append({ type: 'step.log', job: 'build', step, data: { ...(await piece.end()), bytes: text.length } })
  }
  await recorded.append({ type: 'big', data: { text: 'x'.repeat(20_000) } })
  for (let index = 0; index < filler; index += 1) void recorded.append({ type: 'a.b', data: { index } })
  await log.durable(1)
  if (!ends) return
  await log.close()
  await recorded.finish({ id: run, conclusion: 'success', startedAt: new Date().toISOString(), durationMs: 5, workflows: ['ci.yml'] })
}

async function makeState(t: TestContext, ...runs: readonly string[]): Promise<string> {
  const state = makeDirectory(t)
  for (const run of runs) await record(state, run)
  return state
}

async function entriesOf(state: string, filter: Partial<AuditFilter> = {}): Promise<LogEntry[]> {
  const shown = await Array.fromAsync(auditCommands.show({ stateDirectory: state, directory: null, key: null }, { ...ANY, ...filter }))
  return shown.map(({ entry }) => entry)
}

async function logEntries(state: string): Promise<LogEntry[]> {
  return (await entriesOf(state)).filter(({ source }) => source === 'log')
}

function verify(state: string): Promise<AuditReport> {
  return auditCommands.verify(
    { stateDirectory: state, directory: null, key: null },
    { remember: null, policy: null, freshnessS: null, archives: null },
  )
}

async function statesOf(state: string, run: string): Promise<CheckedPayload['state'][]> {
  const beside = (await Array.fromAsync(retentionCommands.payloads(state, run))).filter(
    ({ class: kept, type }) => kept !== 'caller' && type !== 'journal',
  )
  return beside.map((payload) => payload.state)
}

/** Of the journal, and the entry that it disagrees with. */
async function journalOf(state: string, run: string): Promise<string> {
  const journal = (await Array.fromAsync(retentionCommands.payloads(state, run))).find(({ type }) => type === 'journal')
  return journal === undefined ? 'none' : `${journal.state} ${journal.index}`
}

const erase = (state: string, run: string) => retentionCommands.erase(state, run, { classes: [], reason: 'request 12' })

test('what lies beside the log is what the log commits to, until somebody changes or removes it', async (t) => {
  const state = await makeState(t, RUN)
  const path = join(state, `runs/${RUN}/log/1.log`)
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'kept', 'kept'])
  writeFileSync(path, 'private\nprivate!')
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'different', 'kept'])
  rmSync(path)
  assert.deepEqual(await statesOf(state, RUN), ['missing', 'missing', 'kept'])
  for (const chunk of globSync('audit/payloads/*/000000', { cwd: state })) writeFileSync(join(state, chunk), 'other')
  assert.equal((await statesOf(state, RUN)).at(-1), 'different')
  assert.equal((await verify(state)).sound, true, 'it is beside the log')
})

test('a journal says what the log says, or the first entry is named that it does not agree with', async (t) => {
  const state = await makeState(t, RUN)
  const path = join(state, `runs/${RUN}/journal.jsonl`)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const is = async (changed: readonly string[], expected: string): Promise<void> => {
    writeFileSync(path, changed.map((line) => `${line}\n`).join(''))
    assert.equal(await journalOf(state, RUN), expected)
  }
  const replaced = (at: number, from: string, to: string): string[] =>
    lines.map((line, index) => (index === at ? line.replace(from, to) : line))
  // source.opened is entry 0; log.opened, two outputs and what is too large for an entry follow run.started
  await is(lines, 'kept 5')
  await is(replaced(0, 'ci.yml', 'cd.yml'), 'different 1')
  await is(replaced(3, '"step":"2"', '"step":"1"'), 'different 4')
  await is(replaced(4, 'xxx', 'xyx'), 'different 5')
  await is(lines.slice(0, -1), 'different 5')
  await is([...lines, (lines[0] as string).replace('"seq":1', '"seq":6')], 'different 5')
  await is([...lines.slice(0, 2), 'no event', ...lines.slice(2)], 'different 3')
  rmSync(path)
  assert.equal(await journalOf(state, RUN), 'missing 1')
  symlinkSync('/dev/zero', path)
  assert.equal(await journalOf(state, RUN), 'different 1')
  await erase(state, RUN)
  assert.equal(await journalOf(state, RUN), 'erased 1')
})

test('all that the log is about can be compared: journals of runs that went on side by side, and what people did', async (t) => {
  const state = await makeState(t, RUN)
  await record(state, OTHER, { ends: false })
  const operator = await auditCommands.operatorLog(state)
  await operator.record('operator.noted', { text: 'x'.repeat(20_000) })
  await operator.close()
  const all = async (): Promise<string[]> =>
    (await Array.fromAsync(retentionCommands.payloads(state, null))).map(
      ({ source, type, state }) => `${source.split('/')[0]} ${type} ${state}`,
    )
  const beside = ['run step.log kept', 'run step.log kept', 'run big kept']
  const before = await all()
  assert.deepEqual(
    before.filter((row) => !row.startsWith('run')),
    ['operator operator.noted kept'],
  )
  assert.deepEqual(before.slice(0, 4), [...beside, 'run journal kept'])
  assert.equal(before.at(-1), 'run journal kept', 'of the run that has no end')
  writeFileSync(join(state, `runs/${OTHER}/journal.jsonl`), '')
  assert.equal((await all()).at(-1), 'run journal different')
})

test('a journal may be ahead of the log only where the run was cut off', async (t) => {
  const state = makeDirectory(t)
  await record(state, RUN, { ends: false })
  const path = join(state, `runs/${RUN}/journal.jsonl`)
  const before = await journalOf(state, RUN)
  assert.match(before, /^kept /)
  const events = readFileSync(path, 'utf8').trimEnd().split('\n')
  writeFileSync(path, `${(events[0] as string).replace('"seq":1', `"seq":${events.length + 1}`)}\n`, { flag: 'a' })
  assert.equal(await journalOf(state, RUN), before)
})

test('an erased run leaves nothing but what stands in the log, and an entry says so', async (t) => {
  const state = await makeState(t, RUN, OTHER)
  const before = await entriesOf(state, { run: RUN })
  const { run, classes, entry } = await erase(state, RUN.slice(0, 13))
  assert.deepEqual([run, classes], [RUN, ['caller', 'output', 'record']])
  assert.equal(existsSync(join(state, `runs/${RUN}`)), false)
  assert.deepEqual(await statesOf(state, RUN), ['erased', 'erased', 'erased'])
  assert.deepEqual(await statesOf(state, OTHER), ['kept', 'kept', 'kept'])
  assert.deepEqual(await entriesOf(state, { run: RUN }), before)
  const [opened, erased] = await logEntries(state)
  assert.deepEqual([opened?.type, opened?.seq, erased?.type, erased?.seq], ['source.opened', 1, 'payload.erased', 2])
  assert.deepEqual(erased?.data?.['sources'], [`run/${RUN}`])
  const { sound, size } = await verify(state)
  assert.deepEqual([sound, entry], [true, (size ?? 0) - 1])
  await erase(state, RUN)
  assert.equal((await logEntries(state)).at(-1)?.seq, 3)
  await assert.rejects(erase(state, 'x'), { code: 'AUDIT_ENTRY_NOT_FOUND' })
})

test('all sources can be compared at once, and what is gone without an entry is told apart', async (t) => {
  const state = await makeState(t, RUN, OTHER)
  await erase(state, RUN)
  await createRunStore(state).erase(OTHER, 'output')
  const shown = await Array.fromAsync(auditCommands.show({ stateDirectory: state, directory: null, key: null }, ANY))
  const entries = async function* (): AsyncGenerator<ShownEntry> {
    yield* shown
  }
  const checked = await Array.fromAsync(checkPayloads(state, entries, null))
  const output = checked.filter(({ class: kept }) => kept === 'output').map((payload) => payload.state)
  assert.deepEqual(output, ['erased', 'erased', 'missing', 'missing'])
})

test('output alone can be erased, and the record stays', async (t) => {
  const state = await makeState(t, RUN)
  await retentionCommands.erase(state, RUN, { classes: ['output'], reason: 'a name was printed' })
  assert.deepEqual(await statesOf(state, RUN), ['erased', 'erased', 'kept'])
  assert.equal((await createRunStore(state).open(RUN)).state, 'finished')
})

test('nothing of a run that goes on is erased', async (t) => {
  const state = makeDirectory(t)
  await using _record = await createRunStore(state).create(RUN)
  await assert.rejects(erase(state, RUN), { code: 'AUDIT_RUN_ACTIVE' })
  assert.deepEqual(globSync('audit/change.json', { cwd: state }), [])
})

test('a hold keeps what it is about, until it is released; both are entries of the log', async (t) => {
  const state = await makeState(t, RUN, OTHER)
  const selections: Partial<HoldSelection>[] = [
    { run: RUN },
    { class: 'output' },
    { class: 'caller' },
    { since: '2026' },
    { until: '9999' },
    {},
  ]
  for (const selection of selections) {
    const { hold } = await retentionCommands.hold(state, { ...NOTHING, ...selection })
    await assert.rejects(erase(state, RUN), { code: 'AUDIT_HELD' }, JSON.stringify(selection))
    assert.deepEqual(await retentionCommands.holds(state), [hold])
    await retentionCommands.release(state, hold.id, 'closed')
  }
  await retentionCommands.hold(state, { ...NOTHING, run: OTHER })
  await retentionCommands.hold(state, { ...NOTHING, until: '2020' })
  await erase(state, RUN)
  assert.deepEqual(await statesOf(state, RUN), ['erased', 'erased', 'erased'])
  await assert.rejects(erase(state, OTHER), { code: 'AUDIT_HELD' })
  await assert.rejects(retentionCommands.release(state, 'nothing', 'x'), { code: 'AUDIT_HOLD_NOT_FOUND' })
  const types = (await logEntries(state)).map(({ type }) => type)
  assert.equal(types.filter((type) => type === 'hold.placed').length, selections.length + 2)
  assert.equal(types.filter((type) => type === 'hold.released').length, selections.length)
  assert.equal((await verify(state)).sound, true)
})

test('with its record, what a run printed would go: a hold on that keeps both', async (t) => {
  const state = await makeState(t, RUN)
  await retentionCommands.hold(state, { ...NOTHING, class: 'output' })
  await assert.rejects(retentionCommands.erase(state, RUN, { classes: ['record'], reason: 'x' }), { code: 'AUDIT_HELD' })
  writeFileSync(join(state, 'audit-retention'), 'keep record 0\n')
  assert.equal((await retentionCommands.retain(state, true)).held > 0, true)
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'kept', 'kept'])
})

test('a hold that was taken out of its file is missed', async (t) => {
  const state = await makeState(t, RUN)
  await retentionCommands.hold(state, { ...NOTHING, run: RUN })
  const path = join(state, 'audit/holds.json')
  const kept = readFileSync(path)
  for (const other of ['[]', kept.toString().replace(RUN, OTHER)]) {
    writeFileSync(path, other)
    await assert.rejects(erase(state, RUN), { code: 'AUDIT_HOLDS_CHANGED' })
  }
  rmSync(path)
  await assert.rejects(erase(state, RUN), { code: 'AUDIT_HOLDS_CHANGED' })
  writeFileSync(path, kept)
  await assert.rejects(erase(state, RUN), { code: 'AUDIT_HELD' })
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'kept', 'kept'])
})

test('what has a period is erased when it is over, and what has none is kept for ever', async (t) => {
  const state = await makeState(t, RUN, OTHER)
  assert.deepEqual((await retentionCommands.retain(state, true)).due, [])
  const file = join(state, 'audit-retention')
  writeFileSync(file, '# what steps printed\nkeep output 30\n')
  assert.deepEqual((await retentionCommands.retain(state, true)).due, [])
  writeFileSync(file, 'keep output 0 # at once\n')
  await retentionCommands.hold(state, { ...NOTHING, run: OTHER })
  const shown = await retentionCommands.retain(state, false)
  assert.deepEqual([shown.due, shown.held, shown.entries], [[{ class: 'output', sources: 1, bytes: 16 }], 1, []])
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'kept', 'kept'])
  const applied = await retentionCommands.retain(state, true)
  assert.equal(applied.entries.length, 1)
  assert.deepEqual(await statesOf(state, RUN), ['erased', 'erased', 'kept'])
  assert.deepEqual(await statesOf(state, OTHER), ['kept', 'kept', 'kept'])
  assert.deepEqual((await retentionCommands.retain(state, true)).due, [])
  assert.deepEqual((await logEntries(state)).at(-1)?.data?.['cause'], 'retention')
})

test('a file of periods that is not one is refused with its line', async (t) => {
  const state = await makeState(t)
  const isRefused = (error: Error & { code?: string }): boolean =>
    error.code === 'AUDIT_RETENTION_INVALID' && error.message.includes('audit-retention", line 2')
  for (const line of [
    'keep output',
    'keep output -1',
    'keep output 1.5',
    'keep pizza 1',
    'keep record 2',
    'keep caller 99999',
    'output 1',
    'keep __proto__ 1',
  ]) {
    writeFileSync(join(state, 'audit-retention'), `keep record 1\n${line}\n`)
    await assert.rejects(retentionCommands.retain(state, false), isRefused, line)
  }
})

test('the oldest entries go into an archive that verifies alone, and the log goes on', async (t) => {
  const state = makeDirectory(t)
  await record(state, RUN, { filler: 700 })
  await assert.rejects(retentionCommands.archive(state, { archive: null, before: null }), { code: 'AUDIT_RETENTION_UNSET' })
  assert.deepEqual(await retentionCommands.archive(state, { archive: null, before: '2020-01-01T00:00:00.000Z' }), { made: null })
  const { hold } = await retentionCommands.hold(state, { ...NOTHING, class: 'entry' })
  writeFileSync(join(state, 'audit-retention'), 'keep entry 0\n')
  assert.equal((await retentionCommands.retain(state, false)).archivable, null)
  await retentionCommands.release(state, hold.id, 'closed')
  assert.deepEqual((await retentionCommands.retain(state, false)).archivable, { first: 0, end: 512 })
  const { made } = await retentionCommands.archive(state, { archive: null, before: null })
  assert.deepEqual([made?.first, made?.end], [0, 512])
  const archive = made?.archive ?? ''
  assert.deepEqual(globSync('audit/log/tile/entries/00{0,1}', { cwd: state }), [])
  const place = { stateDirectory: state, directory: null, key: null }
  const report = await verify(state)
  assert.deepEqual([report.sound, report.notices, report.findings], [true, [], []])
  assert.equal((await entriesOf(state, { run: RUN })).length > 700, true, 'archives beside the log are read with it')
  assert.equal((await auditCommands.prove(place, RUN, 3)).index, 3)
  for (const key of [null, report.key]) {
    const check = await retentionCommands.verifyArchive({ ...place, key }, archive)
    assert.deepEqual([check.problem, check.range, check.inLog], [null, { first: 0, end: 512 }, key === null ? true : null])
  }
  await record(state, OTHER)
  const away = join(makeDirectory(t), 'away')
  renameSync(archive, away)
  const pruned = await verify(state)
  const [missing] = pruned.findings
  assert.deepEqual([pruned.sound, missing?.kind, missing?.severity], [true, 'entries-pruned', 'notice'])
  assert.equal((await auditCommands.prove(place, OTHER, null)).run, OTHER)
  assert.equal((await retentionCommands.verifyArchive(place, away)).problem, null)
  const bundle = join(away, 'tile/entries/001')
  writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('"index":300', '"index":301'), 'latin1')
  assert.match((await retentionCommands.verifyArchive(place, away)).problem ?? '', /not those that were signed/)
  assert.match((await retentionCommands.verifyArchive(place, state)).problem ?? '', /no seal/)
  await erase(state, RUN)
})

test('a beginning that was deleted and noted as archived, with no entry that says so, is found', async (t) => {
  const state = makeDirectory(t)
  await record(state, RUN, { filler: 700 })
  await verify(state)
  writeFileSync(join(state, 'audit/minimum.json'), '{"minimumIndex":512}\n')
  for (const level of ['entries', '0']) {
    for (const index of ['000', '001']) rmSync(join(state, 'audit/log/tile', level, index))
    const { sound, findings } = await verify(state)
    const pruned = findings.find(({ kind }) => kind === 'entries-pruned')
    assert.deepEqual([sound, pruned?.severity, pruned?.entries?.first], [false, 'failure', 0], level)
  }
})

test('changes at the same time come one after the other', async (t) => {
  const state = await makeState(t, RUN)
  await Promise.all(Array.from({ length: 5 }, (_, index) => retentionCommands.hold(state, { ...NOTHING, reason: `case ${index}` })))
  assert.equal((await retentionCommands.holds(state)).length, 5)
  assert.deepEqual(
    (await logEntries(state)).map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6],
  )
})

test('a note of an unfinished change that is none stops every other change', async (t) => {
  const state = await makeState(t, RUN)
  mkdirSync(join(state, 'audit'), { recursive: true })
  const erased = { type: 'payload.erased', cause: 'request', reason: '', sources: [`run/${RUN}`], classes: ['output'], before: null }
  const change = { id: '1', at: new Date().toISOString(), actor: 'root', work: erased }
  const forged = [
    { ...change, at: 'x' },
    { ...change, at: '2026-13-01T00:00:00.000Z' },
    { ...change, work: { ...erased, sources: 'all' } },
    { ...change, work: { ...erased, sources: ['run/../..'] } },
    { ...change, work: { type: 'log.archived', first: 0, end: 255, archive: 'a' } },
    { ...change, work: { type: 'log.archived', first: -256, end: 1e300, archive: 'a' } },
    { ...change, work: { type: 'no.work' } },
  ]
  for (const text of ['', '{}', ...forged.map((each) => JSON.stringify(each))]) {
    writeFileSync(join(state, 'audit/change.json'), text)
    await assert.rejects(erase(state, RUN), { code: 'STORE_CORRUPT' }, text)
  }
  assert.deepEqual(await statesOf(state, RUN), ['kept', 'kept', 'kept'])
})
