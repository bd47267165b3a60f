// SPDX-License-Identifier: Apache-2.0
// What is checked where the log's own host is asked: what nobody has published yet, and what others remember.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { epochOf, logEntry, MemoryLog, NOW_S, newSigner, ORIGIN, policyOf, sourceEntries } from '../_memory-log.ts'
import { encodeEntry } from '../entry/log-entry.ts'
import { type LogReport, type LogVerification, verifyLog } from './verify-log.ts'

const signer = newSigner()
const ENTRIES = [...sourceEntries('run/1', 300), ...sourceEntries('run/2', 300)]
const FROM = 'the memory of its signer'

/** Published up to `published`, durable as a whole. */
function check(published: number, options: Partial<LogVerification> = {}): Promise<LogReport> {
  const log = new MemoryLog(ENTRIES)
  const source = new MemoryLog(ENTRIES.slice(0, published))
  if (published > 0) source.publish(signer)
  return verifyLog({
    source,
    trust: { origin: ORIGIN, epochs: [epochOf(signer)], policy: policyOf(signer, [], 0) },
    clock: { nowS: NOW_S, freshnessS: null },
    remembered: [],
    minimumIndex: 0,
    hasOurEntries: true,
    durable: { source: log, head: log.head },
    ...options,
  })
}

const kindsOf = ({ findings }: LogReport): string[] => findings.map(({ kind }) => kind)

describe('entries that no checkpoint covers yet', () => {
  for (const published of [0, 1, 255, 256, 300, 599]) {
    it(`are checked when ${published} are published, and are no fault`, async () => {
      const report = await check(published)
      assert.deepEqual([report.findings, report.isSound, report.head?.size], [[], true, published === 0 ? undefined : published])
      assert.deepEqual([report.unpublished?.size, report.entriesChecked, report.openSources], [600, published, []])
    })
  }

  it('are none when all are published', async () => {
    const report = await check(600)
    assert.deepEqual([report.findings, report.unpublished, report.entriesChecked], [[], null, 600])
  })

  for (const published of [0, 300]) {
    it(`are found to be others than those that are durable, behind ${published}`, async () => {
      const other = new MemoryLog(ENTRIES.with(400, ENTRIES[401] ?? assert.fail()))
      const report = await check(published, { durable: { source: other, head: new MemoryLog(ENTRIES).head } })
      assert.equal(report.isSound, false)
      assert.ok(kindsOf(report).includes('root-wrong'), JSON.stringify(report.findings))
    })
  }

  it('are found to go on from another log than the one that was published', async () => {
    const other = new MemoryLog(ENTRIES.with(3, encodeEntry(logEntry('run/1', 4, { data: { text: 'other' } }))))
    const report = await check(300, { durable: { source: other, head: other.head } })
    assert.deepEqual([kindsOf(report), report.manipulation], [['head-different'], 'forked'])
  })

  it('are counted with what was published: a gap between both is found', async () => {
    const gap = new MemoryLog(ENTRIES.toSpliced(400, 1))
    const report = await check(300, { durable: { source: gap, head: gap.head } })
    assert.ok(kindsOf(report).includes('sequence-gap'))
    assert.deepEqual(report.firstWrong, { first: 400, last: 400 })
  })

  it('that cannot be told are a fault', async () => {
    const report = await check(300, { durable: { problem: 'its last tiles are not those of the tree that was written' } })
    assert.deepEqual([kindsOf(report), report.isSound], [['durable-wrong'], false])
  })

  it('cannot be fewer than those that are published', async () => {
    const less = new MemoryLog(ENTRIES.slice(0, 200))
    assert.deepEqual(kindsOf(await check(300, { durable: { source: less, head: less.head } })), ['durable-wrong'])
  })
})

describe('a checkpoint that somebody remembers', () => {
  const head = new MemoryLog(ENTRIES).headAt(450)

  it('and that was deleted is missed, although all of its entries are there', async () => {
    const report = await check(0, { remembered: [{ ...head, from: FROM }] })
    assert.deepEqual([kindsOf(report), report.manipulation], [['checkpoint-missing'], 'log-deleted'])
  })

  it('and in whose place an older one stands is missed, although all of its entries are there', async () => {
    const report = await check(300, { remembered: [{ ...head, from: FROM }] })
    assert.deepEqual([kindsOf(report), report.manipulation, report.isSound], [['checkpoint-behind'], 'rolled-back', false])
    assert.match(report.findings[0]?.message ?? '', /the checkpoint is of 300 entries, and 450 were signed and are there/)
  })

  it('and whose entries are others behind an older one is found to be forked', async () => {
    const report = await check(300, { remembered: [{ size: 450, root: new Uint8Array(32), from: FROM }] })
    assert.deepEqual([kindsOf(report), report.manipulation], [['head-different'], 'forked'])
  })

  it('and that has more entries than there are is found to be rolled back', async () => {
    const report = await check(300, { remembered: [{ size: 700, root: new Uint8Array(32), from: FROM }] })
    assert.deepEqual([kindsOf(report), report.firstWrong], [['head-ahead'], { first: 600, last: 699 }])
  })
})

describe('entries that somebody saw in the log', () => {
  const from = 'the record of the run'
  const expected = [
    { index: 0, source: 'run/1', type: 'source.opened', from },
    { index: 299, source: 'run/1', type: 'source.closed', from },
    { index: 599, source: 'run/2', type: 'source.closed', from },
  ]

  for (const published of [600, 400, 0])
    it(`are found where they were, when ${published} entries are published`, async () => {
      assert.deepEqual((await check(published, { expected })).findings, [])
    })

  it('are missed where another one stands', async () => {
    const report = await check(600, { expected: [{ index: 400, source: 'run/3', type: 'source.closed', from }] })
    assert.deepEqual(
      [kindsOf(report), report.manipulation, report.firstWrong],
      [['entry-unexpected'], 'rewritten', { first: 400, last: 400 }],
    )
  })

  it('are missed behind the end of the log', async () => {
    const report = await check(600, { expected: [{ index: 700, source: 'run/3', type: 'source.closed', from }] })
    assert.deepEqual(
      [kindsOf(report), report.manipulation, report.firstWrong],
      [['entry-absent'], 'rolled-back', { first: 600, last: 700 }],
    )
  })
})
