// SPDX-License-Identifier: Apache-2.0
// Where the commands look, and what they leave alone. What root does is in test/e2e/audit-tamper.test.ts and test/audit.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Cosigner,
  cosignatureSigner,
  encodeEntry,
  formatNote,
  formatVerifierKey,
  parseNote,
  SOURCE_OPENED,
} from '@sallyport/audit-log'
import { archiveAndPrune, createRunStore } from '@sallyport/store'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { auditCommands } from './commands.ts'
import type { AuditFilter, AuditReport, ShownEntry, VerifyOptions } from './contract.ts'
import { appendAndPublish, appendToLog } from './open-log.ts'
import { RunLog } from './run-log.ts'

/** Of today: what is older than what stands before it, by a minute, is a step of the clock. */
const now = (): string => new Date().toISOString()
const ANY: AuditFilter = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }
const PLAIN: VerifyOptions = { remember: null, policy: null, freshnessS: null, archives: null }

const runId = (number: number): string => `20261129-14020${number}-abcdef`

/** A run with its record, whose document says where it stands. */
async function run(state: string, number: number, events = 3): Promise<void> {
  const id = runId(number)
  await using record = await createRunStore(state).create(id)
  await using runLog = new RunLog(state, id)
  for (let seq = 1; seq <= events; seq += 1) runLog.add({ seq, run: id, at: now(), type: 'a.b', data: { seq } })
  await record.finish({ log: await runLog.close() })
}

const verify = (state: string, options: Partial<VerifyOptions> = {}, directory: string | null = null): Promise<AuditReport> =>
  auditCommands.verify({ stateDirectory: state, directory, key: null }, { ...PLAIN, ...options })

const prove = (state: string, number: number, index: number | null = null): ReturnType<typeof auditCommands.prove> =>
  auditCommands.prove({ stateDirectory: state, directory: null, key: null }, runId(number), index)

const show = (state: string, filter: Partial<AuditFilter> = {}): Promise<ShownEntry[]> =>
  Array.fromAsync(auditCommands.show({ stateDirectory: state, directory: null, key: null }, { ...ANY, ...filter }))

const checkpointOf = (state: string): string => join(state, 'audit/log/checkpoint')

function editDocument(state: string, number: number, change: (log: { first: number; last: number }) => object | null): void {
  const path = join(state, 'runs', runId(number), 'run.json')
  const document = JSON.parse(readFileSync(path, 'utf8')) as { log: { first: number; last: number } }
  writeFileSync(path, JSON.stringify({ ...document, log: change(document.log) }))
}

test('a log that is named as a directory is checked as far as it is published, and stays as it is', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  await verify(state)
  await run(state, 2)
  const before = readFileSync(checkpointOf(state))
  const report = await verify(state, {}, join(state, 'audit'))
  assert.deepEqual([report.sound, report.size, report.unpublished, report.runsCompared], [true, 5, 0, 0])
  assert.deepEqual(readFileSync(checkpointOf(state)), before)
  assert.deepEqual([(await show(state)).length, readFileSync(checkpointOf(state))], [10, before])
})

test('a log that nobody has signed yet is checked, and can be shown', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  assert.equal((await show(state)).length, 5)
  assert.equal(existsSync(join(state, 'signer')), false)
  const report = await verify(state)
  assert.deepEqual([report.sound, report.publishedNow, report.entriesChecked, report.runsCompared], [true, 5, 5, 1])
})

test('what cannot be published is checked and said to have no checkpoint', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  const key = formatVerifierKey(newWitness().key)
  writeFileSync(join(state, 'audit-policy'), `witness w1 ${key} http://127.0.0.1:9/\nquorum w1\n`)
  const { sound, size, unpublished, notices } = await verify(state)
  assert.deepEqual([sound, size, unpublished, notices.length], [true, null, 5, 1])
  assert.match(notices[0] ?? '', /^the last entries have no checkpoint: /)
})

test('a check beside runs that write and publish says nothing that is not so', async (t) => {
  const state = makeDirectory(t)
  await run(state, 0)
  await verify(state)
  let isDone = false
  const writing = (async () => {
    for (let number = 1; number <= 6; number += 1) {
      await run(state, number)
      await appendAndPublish(state, async () => null, { purpose: 'interval', waitMs: 5000 })
    }
    isDone = true
  })()
  for (let count = 0; count < 40 && !isDone; count += 1) {
    const { sound, findings, openRuns } = await verify(state)
    assert.deepEqual([sound, findings], [true, []])
    assert.equal(
      openRuns.every(({ state }) => state === 'running'),
      true,
      JSON.stringify(openRuns),
    )
  }
  await writing
})

test('a proof and a run’s entries are found where its record says, without the rest of the log', async (t) => {
  const state = makeDirectory(t)
  for (const number of [1, 2, 3]) await run(state, number, 300)
  await verify(state)
  // What is not read can be missing
  for (const path of ['tile/entries/000', 'tile/entries/001']) rmSync(join(state, 'audit/log', path))
  const proven = await prove(state, 3)
  assert.deepEqual([proven.index, proven.entry.seq, proven.run], [905, 302, runId(3)])
  assert.equal((await show(state, { run: runId(3) })).length, 302)
  await assert.rejects(show(state, { run: 'x' }), { code: 'AUDIT_LOG_MISSING' })
})

test('no proof leads to a checkpoint that the log has not signed', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  await verify(state)
  assert.equal((await prove(state, 1)).index, 4)
  const { text, signatures } = parseNote(readFileSync(checkpointOf(state)))
  const forged = signatures.map(({ signature, ...key }) => ({ ...key, signature: Buffer.from(signature).reverse() }))
  for (const signed of [forged, forged.map((signature) => ({ ...signature, keyId: 1 }))]) {
    writeFileSync(checkpointOf(state), formatNote({ text, signatures: signed }))
    await assert.rejects(prove(state, 1), { code: 'AUDIT_LOG_UNSIGNED' })
  }
})

test('a record that says another place than the log is not believed', async (t) => {
  const state = makeDirectory(t)
  for (const number of [1, 2]) await run(state, number)
  await verify(state)
  editDocument(state, 2, (log) => ({ ...log, last: log.last - 1 }))
  await assert.rejects(prove(state, 2), { code: 'AUDIT_ENTRY_NOT_FOUND' })
  assert.equal((await show(state, { run: runId(2) })).length, 5)
  const report = await verify(state)
  assert.deepEqual([report.manipulation, report.firstWrong], ['rewritten', { first: 8, last: 8 }])
  editDocument(state, 2, () => null)
  assert.equal((await prove(state, 2)).index, 9)
  await assert.rejects(prove(state, 1, 9), { code: 'AUDIT_ENTRY_NOT_FOUND' })
})

test('a proof does not put a checkpoint back that was taken away', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  await verify(state)
  const older = readFileSync(checkpointOf(state))
  await run(state, 2)
  assert.equal((await prove(state, 2)).size, 10)
  writeFileSync(checkpointOf(state), older)
  assert.equal((await prove(state, 1)).size, 5)
  await assert.rejects(prove(state, 2), { code: 'AUDIT_ENTRY_NOT_FOUND', message: /of 5 entries, although 10 were signed/ })
  assert.deepEqual(readFileSync(checkpointOf(state)), older)
  assert.equal((await verify(state)).manipulation, 'rolled-back')
})

const newWitness = (): Cosigner => cosignatureSigner('w.example.test', generateKeyPairSync('ed25519').privateKey)

function cosign(state: string, witness: Cosigner): void {
  const { text, signatures } = parseNote(readFileSync(checkpointOf(state)))
  const cosignature = witness.cosign(text, Math.floor(Date.now() / 1000))
  writeFileSync(checkpointOf(state), formatNote({ text, signatures: [...signatures, cosignature] }))
}

test('an auditor elsewhere needs a policy alone, with the key of the log and the witnesses', async (t) => {
  const [state, elsewhere] = [makeDirectory(t), makeDirectory(t)]
  await run(state, 1)
  const { key } = await verify(state)
  const witness = newWitness()
  cosign(state, witness)
  cpSync(join(state, 'audit/log'), join(elsewhere, 'tree'), { recursive: true })
  const policy = join(elsewhere, 'log.policy')
  writeFileSync(policy, `log ${key}\nwitness w1 ${formatVerifierKey(witness.key)}\nquorum w1\n`)
  const report = await verify(elsewhere, { policy }, join(elsewhere, 'tree'))
  assert.deepEqual([report.sound, report.trust, report.policy?.freshnessS, report.witnesses[0]?.name], [true, 'policy', 86_400, 'w1'])
  await assert.rejects(verify(elsewhere, {}, join(elsewhere, 'tree')), { code: 'AUDIT_KEY_UNKNOWN' })
  await assert.rejects(verify(elsewhere, { policy: `${policy}x` }, join(elsewhere, 'tree')), { code: 'AUDIT_POLICY_INVALID' })
})

test('a checkpoint that was published for a lease may have the witnesses of the lease policy', async (t) => {
  const state = makeDirectory(t)
  await run(state, 1)
  await verify(state)
  const [audit, lease] = [newWitness(), newWitness()]
  const policyOf = ({ key }: Cosigner): string => `witness w1 ${formatVerifierKey(key)}\nquorum w1\n`
  writeFileSync(join(state, 'audit-policy'), policyOf(audit))
  cosign(state, lease)
  assert.equal((await verify(state)).manipulation, 'witnesses-missing')
  writeFileSync(join(state, 'lease-policy'), policyOf(lease))
  const report = await verify(state)
  assert.deepEqual([report.sound, report.policy?.path], [true, join(state, 'lease-policy')])
})

/** 605 entries, of which the first 256 are in an archive; `isRecorded`: the log says so. */
async function prunedLog(t: TestContext, archive: (state: string) => string, isRecorded = true): Promise<string> {
  const state = makeDirectory(t)
  for (const number of [1, 2]) await run(state, number, 300)
  const facts = { v: 1, at: now(), source: 'log' } as const
  const entries = [
    { ...facts, seq: 1, type: SOURCE_OPENED },
    { ...facts, seq: 2, type: 'log.archived', data: { first: 0, end: 256, archive: 'a' } },
  ]
  if (isRecorded) await appendToLog(state, (log) => log.append(entries.map(encodeEntry)), { leaves: false })
  await verify(state)
  mkdirSync(join(archive(state), '..'), { recursive: true })
  await archiveAndPrune(join(state, 'audit'), archive(state), { first: 0, end: 256 })
  return state
}

const BESIDE = (state: string): string => join(state, 'audit/archives/a')

test('a log with its archives is checked, shown and proven as a whole', async (t) => {
  const state = await prunedLog(t, BESIDE)
  const report = await verify(state)
  assert.deepEqual([report.sound, report.findings, report.entriesChecked, report.minimumIndex], [true, [], 606, 0])
  assert.deepEqual(report.archives, [{ path: BESIDE(state), first: 0, end: 256 }])
  assert.equal((await show(state, { run: runId(1) })).length, 302)
  assert.equal((await prove(state, 1, 3)).entry.seq, 4)
  const file = join(BESIDE(state), 'tile/entries/000')
  writeFileSync(file, readFileSync(file, 'latin1').replace('"seq":7}', '"seq":8}'), 'latin1')
  assert.deepEqual((await verify(state)).manipulation, 'entry-edited')
})

test('archives that are elsewhere have to be named; without them the rest is checked, and what is not there is said', async (t) => {
  const elsewhere = makeDirectory(t)
  const state = await prunedLog(t, () => join(elsewhere, 'archives/a'))
  const rest = await verify(state)
  assert.deepEqual([rest.sound, rest.minimumIndex, rest.entriesChecked], [true, 256, 350])
  assert.deepEqual(
    rest.findings.map(({ kind, severity }) => [kind, severity]),
    [['entries-pruned', 'notice']],
  )
  const whole = await verify(state, { archives: join(elsewhere, 'archives') })
  assert.deepEqual([whole.sound, whole.minimumIndex, whole.entriesChecked], [true, 0, 606])
})

test('an archive that is elsewhere is said to be, also when its entry had no checkpoint yet', async (t) => {
  const elsewhere = makeDirectory(t)
  const state = await prunedLog(t, () => join(elsewhere, 'archives/a'))
  await run(state, 3)
  const report = await verify(state)
  assert.deepEqual([report.sound, report.publishedNow, report.findings.map(({ kind }) => kind)], [true, 5, ['entries-pruned']])
})

test('a beginning that is gone, and of which the log does not say that it was archived, was removed', async (t) => {
  const elsewhere = makeDirectory(t)
  const state = await prunedLog(t, () => join(elsewhere, 'archives/a'), false)
  const report = await verify(state)
  assert.deepEqual(
    [report.sound, report.manipulation, report.findings.map(({ kind }) => kind)],
    [false, 'entry-removed', ['entries-pruned']],
  )
})
