// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { encodeEntry, type KeyEpoch, type LogEntry, proveInclusion, SOURCE_OPENED, TileHashes, verifyLog } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { StoreError } from '../store-error.ts'
import { MemorySigner } from './_memory-signer.ts'
import { archiveAndPrune, minimumIndexOf, verifyArchive, withArchives } from './archive.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { openTransparencyLog } from './open-log.ts'
import { holdOn, type LegalHold, LegalHolds, prunableIndex, type RetentionPolicy } from './retention.ts'

const DAY_MS = 86_400_000
const START_MS = Date.parse('2026-01-01T00:00:00.000Z')

const ANY: LegalHold = { id: '1', reason: 'a case', source: null, class: null, since: null, until: null }

const policy: RetentionPolicy = {
  keepDays: { short: 10, long: 1000 },
  classOf: ({ type }) => (type === 'lease.granted' ? 'long' : 'short'),
}

function entryAt(index: number): LogEntry {
  // Ten entries an hour
  const at = new Date(START_MS + index * 360_000).toISOString()
  const type = index === 0 ? SOURCE_OPENED : index === 700 ? 'lease.granted' : 'step.started'
  return { v: 1, at, source: 'run/1', seq: index + 1, type, job: index >= 300 && index < 310 ? 'deploy' : 'build' }
}

interface Setting {
  readonly directory: string
  readonly archive: string
  readonly epochs: readonly KeyEpoch[]
  readonly signer: MemorySigner
}

async function writtenLog(t: TestContext, size: number): Promise<Setting> {
  const directory = join(makeTemporaryDirectory(t), 'audit')
  const signer = new MemorySigner()
  await using log = await openTransparencyLog(directory, { signer, cosigner: null, lockWaitMs: 0 })
  await log.append(Array.from({ length: size }, (_, index) => encodeEntry(entryAt(index))))
  await log.publish()
  const epochs = [{ key: signer.signer.key, firstSize: 0, lastSize: null, seal: null }]
  return { directory, archive: join(directory, 'archive-1'), epochs, signer }
}

function later(days: number): Date {
  return new Date(START_MS + days * DAY_MS)
}

async function findings({ directory, epochs }: Setting, archives: readonly string[], minimumIndex: number): Promise<string[]> {
  const source = withArchives(
    directoryTileSource(join(directory, 'log')),
    archives.map((archive) => directoryTileSource(archive)),
  )
  const trust = { origin: 'log.test/one', epochs, policy: { logs: [], witnesses: [], groups: [], quorum: null } }
  const clock = { nowS: START_MS / 1000, freshnessS: null }
  const report = await verifyLog({ source, trust, clock, remembered: [], minimumIndex, hasOurEntries: true })
  return report.findings.map(({ message }) => message)
}

test('a log may be pruned up to the first entry that is to be kept', async (t) => {
  const { directory } = await writtenLog(t, 1000)
  const log = { source: directoryTileSource(join(directory, 'log')), size: 1000, minimumIndex: 0 }
  // Entry 300 is of the 30th hour
  const holds = [{ ...ANY, since: '2026-01-02T06', until: '2026-01-02T06' }]
  assert.equal(await prunableIndex(log, { policy, holds: [], now: later(1) }), 0)
  // 256 entries are 25.6 hours
  assert.equal(await prunableIndex(log, { policy, holds: [], now: later(11.5) }), 256)
  assert.equal(await prunableIndex(log, { policy, holds: [], now: later(100) }), 512, 'the lease is kept longer')
  assert.equal(await prunableIndex(log, { policy, holds: [], now: later(2000) }), 768)
  assert.equal(await prunableIndex(log, { policy, holds, now: later(2000) }), 256, 'an hour is held')
  for (const hold of [ANY, { ...ANY, source: 'run/1' }, { ...ANY, class: 'short' }, { ...ANY, until: '2026-01-01' }])
    assert.equal(await prunableIndex(log, { policy, holds: [hold], now: later(2000) }), 0, JSON.stringify(hold))
  assert.equal(await prunableIndex(log, { policy, holds: [{ ...ANY, source: 'run/2' }], now: later(2000) }), 768)
  assert.equal(await prunableIndex({ ...log, minimumIndex: 256 }, { policy, holds: [], now: later(100) }), 512)
  assert.equal(await prunableIndex(log, { policy: { ...policy, keepDays: {} }, holds: [], now: later(9999) }), 0, 'no class, kept for ever')
})

test('what was archived verifies by itself and with the log, and the log goes on without it', async (t) => {
  const setting = await writtenLog(t, 70_000)
  const { directory, archive, epochs, signer } = setting
  await archiveAndPrune(directory, archive, { first: 0, end: 65_536 + 512 })
  assert.equal(await minimumIndexOf(directory), 66_048)
  assert.deepEqual(globSync('log/tile/{0,1,entries}/000', { cwd: directory }), [])
  assert.deepEqual(await findings(setting, [], 66_048), [])
  assert.deepEqual(await findings(setting, [archive], 0), [])
  assert.equal((await verifyArchive(archive, epochs)).end, 66_048)
  {
    await using log = await openTransparencyLog(directory, { signer, cosigner: null, lockWaitMs: 0 })
    await log.append(Array.from({ length: 2000 }, (_, index) => encodeEntry(entryAt(70_000 + index))))
    await log.publish()
    await proveInclusion(new TileHashes(log.source, 72_000), 66_048, 72_000)
  }
  const second = `${archive}-2`
  await archiveAndPrune(directory, second, { first: 66_048, end: 71_680 })
  assert.deepEqual(await findings(setting, [], 71_680), [])
  assert.deepEqual(await findings(setting, [archive, second], 0), [])
  assert.deepEqual([(await verifyArchive(archive, epochs)).end, (await verifyArchive(second, epochs)).first], [66_048, 66_048])
})

test('an archive that was changed does not verify', async (t) => {
  const { directory, archive, epochs } = await writtenLog(t, 1000)
  await archiveAndPrune(directory, archive, { first: 0, end: 512 })
  const bundle = join(archive, 'tile/entries/001')
  const kept = readFileSync(bundle)
  const isCorrupt = (error: unknown): boolean => error instanceof StoreError && error.code === 'STORE_CORRUPT'
  writeFileSync(bundle, kept.toString('latin1').replace('"deploy"', '"dEploy"'), 'latin1')
  await assert.rejects(verifyArchive(archive, epochs), isCorrupt)
  rmSync(bundle)
  await assert.rejects(verifyArchive(archive, epochs), isCorrupt)
  writeFileSync(bundle, kept)
  await verifyArchive(archive, epochs)
  const seal = readFileSync(join(archive, 'seal.json'), 'utf8')
  writeFileSync(join(archive, 'seal.json'), seal.replace('"end":512', '"end":256'))
  await assert.rejects(verifyArchive(archive, epochs), isCorrupt)
  for (const wrong of ['', '[]', 'null', '{}', seal.replace('"first":0', '"first":256'), seal.replace('"edge":[]', '"edge":["x"]')]) {
    writeFileSync(join(archive, 'seal.json'), wrong)
    await assert.rejects(verifyArchive(archive, epochs), isCorrupt, wrong)
  }
  writeFileSync(join(archive, 'seal.json'), seal)
  await assert.rejects(verifyArchive(archive, [{ key: new MemorySigner().signer.key, firstSize: 0, lastSize: null, seal: null }]))
})

test('nothing is pruned that is not archived, and a crash in between is finished later', async (t) => {
  const setting = await writtenLog(t, 1000)
  const { directory, archive, epochs } = setting
  await assert.rejects(archiveAndPrune(directory, join(directory, 'no/such/place'), { first: 0, end: 100 }))
  await assert.rejects(archiveAndPrune(directory, join(directory, 'other'), { first: 0, end: 1024 }))
  assert.equal(await minimumIndexOf(directory), 0)
  assert.deepEqual(await findings(setting, [], 0), [])
  // As after a crash behind the new minimum: the files are still there
  const saved = readFileSync(join(directory, 'log/tile/entries/000'))
  await archiveAndPrune(directory, archive, { first: 0, end: 512 })
  writeFileSync(join(directory, 'log/tile/entries/000'), saved)
  await archiveAndPrune(directory, archive, { first: 0, end: 512 })
  assert.deepEqual(globSync('log/tile/entries/000', { cwd: directory }), [])
  assert.equal((await verifyArchive(archive, epochs)).end, 512)
  // And in front of it
  rmSync(join(directory, 'minimum.json'))
  await archiveAndPrune(directory, archive, { first: 0, end: 512 })
  assert.equal(await minimumIndexOf(directory), 512)
  await assert.rejects(archiveAndPrune(directory, archive, { first: 512, end: 768 }))
})

test('what a hold is about is kept, and what it is not about is not', () => {
  const thing = { class: 'output', at: '2026-01-02T06:00:00.000Z', source: 'run/1' }
  const held: Partial<LegalHold>[] = [
    {},
    { source: 'run/1' },
    { class: 'output' },
    { since: '2026-01-02' },
    { until: '2026-01-02' },
    { until: '2026' },
    { source: 'run/1', class: 'output', since: '2026-01-01', until: '2026-01-03' },
  ]
  for (const selection of held) assert.notEqual(holdOn(thing, [{ ...ANY, ...selection }]), null, JSON.stringify(selection))
  const free: Partial<LegalHold>[] = [
    { source: 'run/10' },
    { class: 'record' },
    { since: '2026-01-03' },
    { until: '2026-01-01' },
    { source: 'run/1', class: 'record' },
  ]
  assert.equal(
    holdOn(
      thing,
      free.map((selection) => ({ ...ANY, ...selection })),
    ),
    null,
  )
})

test('holds are kept in their order, and a list that cannot be read holds everything', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const holds = new LegalHolds(directory)
  assert.deepEqual(await holds.list(), [])
  const placed = [{ ...ANY, id: 'b' }, ANY]
  await holds.replace(placed)
  assert.deepEqual(await holds.list(), placed)
  for (const wrong of ['', '{}', '[null]', '[{"id":1}]', JSON.stringify([{ ...ANY, job: 'x' }]), JSON.stringify([{ ...ANY, since: 1 }])]) {
    writeFileSync(join(directory, 'holds.json'), wrong)
    await assert.rejects(holds.list(), (error) => error instanceof StoreError && error.code === 'STORE_CORRUPT', wrong)
  }
})
