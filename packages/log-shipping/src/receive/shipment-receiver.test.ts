// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { LogEntry } from '@sallyport/audit-log'
import type { Shipment } from '@sallyport/store'
import { assertSound, entriesIn, linkTo, openReceiver, record, recordsOf, reportOn, Scratch } from '../_receiving.ts'

const NAME = 'host/a'
const SOURCE = `${NAME}/00000000000000a1`
const OTHER = `${NAME}/00000000000000a2`

/** That many records, and the link to the one before them. */
function shipment(first: number, count: number, more: Partial<Shipment> = {}): Shipment {
  const source = more.source ?? SOURCE
  const previous = first === 1 ? null : linkTo(first - 1, record(source, first - 1))
  return { source, first, previous, records: recordsOf(source, first, count), ...more }
}

function brief(entries: readonly LogEntry[]): string[] {
  return entries.map(({ source, seq, type, data }) => {
    if (type !== 'source.gap') return `${source.split('/').at(-1)} ${seq} ${type}`
    return `${source.split('/').at(-1)} ${seq}-${String(data?.['last'])} ${String(data?.['reason'])} ${String(data?.['why'] ?? '')}`.trim()
  })
}

describe('what is shipped', () => {
  test('stands in the log once, in order, however often and in whatever order it is sent', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    const all = await Promise.all(
      [shipment(1, 5), shipment(3, 5), shipment(1, 2), shipment(2, 3)].map((one) => receiver.receive(NAME, one)),
    )
    assert.deepEqual(
      all.map(({ next }) => next),
      [6, 8, 8, 8],
    )
    assert.deepEqual(
      (await entriesIn(log)).map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6, 7],
    )
    assert.deepEqual(receiver.counts, { records: 7, lost: 0, refused: 0, forked: 0, reset: 0 })
    await assertSound(log)
  })

  test('and never came, is an entry in its place', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    await receiver.receive(NAME, shipment(1, 2))
    await receiver.receive(NAME, { ...shipment(6, 2), previous: linkTo(2, record(SOURCE, 2)) })
    // Nothing follows: the spool says up to where it has lost all
    assert.deepEqual(await receiver.receive(NAME, { ...shipment(11, 0), previous: linkTo(7, record(SOURCE, 7)) }), {
      next: 11,
      refused: 0,
      reason: null,
    })
    assert.deepEqual(brief(await entriesIn(log)), [
      '00000000000000a1 1 source.opened',
      '00000000000000a1 2 step.log',
      '00000000000000a1 3-5 lost',
      '00000000000000a1 6 step.log',
      '00000000000000a1 7 step.log',
      '00000000000000a1 8-10 lost',
    ])
    assert.equal(receiver.counts.lost, 6)
    const { isSound, findings } = await reportOn(log)
    assert.deepEqual([isSound, findings.map(({ kind }) => kind)], [true, ['events-dropped']])
  })

  test('and is no record of the source, is a gap with its reason, and those behind it are taken', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    const records = [
      record(SOURCE, 1),
      Buffer.from('{"v":1}'),
      new Uint8Array([255]),
      new Uint8Array(),
      record('host/b/00000000000000b1', 5),
      record(SOURCE, 7),
      record(SOURCE, 7, { type: 'source.gap', data: { last: 1000, reason: 'lost' } }),
      record(SOURCE, 8),
    ]
    assert.deepEqual(await receiver.receive(NAME, shipment(1, 0, { records })), { next: 9, refused: 6, reason: 'not-canonical' })
    assert.deepEqual(brief(await entriesIn(log)), [
      '00000000000000a1 1 source.opened',
      '00000000000000a1 2-4 refused not-canonical',
      '00000000000000a1 5-5 refused other-source',
      '00000000000000a1 6-6 refused wrong-seq',
      '00000000000000a1 7-7 refused reserved-type',
      '00000000000000a1 8 step.log',
    ])
    assert.equal(receiver.counts.refused, 6)
    // What was refused is linked to as what was taken
    await receiver.receive(NAME, shipment(9, 0, { records: [Buffer.from('bad')] }))
    await receiver.receive(NAME, { ...shipment(10, 1), previous: linkTo(9, Buffer.from('bad')) })
    assert.equal(receiver.counts.forked, 0)
    await assertSound(log)
  })

  test('of a name that has another spool, is another source, and told', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    await receiver.receive(NAME, shipment(1, 3))
    await receiver.receive(NAME, shipment(1, 2, { source: OTHER }))
    // The old one is perhaps another machine with the same credential
    await receiver.receive(NAME, shipment(4, 1))
    const entries = await entriesIn(log)
    assert.deepEqual(brief(entries).slice(3, 6), [
      'receiver 1 source.opened',
      'receiver 2 source.reset',
      '00000000000000a2 1 source.opened',
    ])
    assert.deepEqual(entries[4]?.data, { source: OTHER, earlier: SOURCE, next: 4 })
    assert.equal(receiver.counts.reset, 1)
    await assertSound(log)
  })

  test('and does not go on from what stands here, is told before it is taken', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    await receiver.receive(NAME, shipment(1, 3))
    const other = record(SOURCE, 3, { data: { other: true } })
    const cases: Shipment[] = [
      { ...shipment(4, 1), previous: linkTo(3, other) },
      { ...shipment(5, 1), previous: null },
      { ...shipment(6, 1), previous: linkTo(2, record(SOURCE, 2)) },
      shipment(6, 0, { records: [record(SOURCE, 6, { data: { other: true } }), record(SOURCE, 7)] }),
    ]
    for (const one of cases) await receiver.receive(NAME, one)
    const told = (await entriesIn(log)).filter(({ type }) => type === 'source.forked')
    assert.deepEqual(
      told.map(({ data }) => (data as { here: { seq: number } }).here.seq),
      [3, 4, 5, 6],
    )
    assert.equal(receiver.counts.forked, 4)
    await assertSound(log)
  })

  test('by a hostile sender, is refused as a whole, and stores nothing', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path)
    const { receiver, log } = opened
    const wrong: Partial<Shipment>[] = [
      { source: 'host/b/00000000000000a1' },
      { source: NAME },
      { source: 'receiver' },
      { source: `${NAME}/x/00000000000000a1` },
      { first: 0 },
      { first: 1.5 },
      { first: 2 ** 53 },
      { previous: linkTo(1, record(SOURCE, 1)) },
      { records: Array.from({ length: 10_001 }, () => new Uint8Array()) },
      { records: [new Uint8Array(65_536)] },
      { records: Array.from({ length: 65 }, () => new Uint8Array(65_535)) },
    ]
    for (const more of wrong)
      await assert.rejects(
        receiver.receive(NAME, { ...shipment(1, 1), ...more }),
        { code: 'SHIPPING_REFUSED' },
        JSON.stringify(more).slice(0, 200),
      )
    assert.equal(log.size, 0)
  })

  test('by one that begins spool after spool, fills neither the memory nor the log', async () => {
    using scratch = new Scratch()
    await using opened = await openReceiver(scratch.path, { limits: { spoolsMax: 3, sourcesMax: 6 } })
    const { receiver } = opened
    const spool = (name: string, id: number): Promise<unknown> => {
      const source = `${name}/${id.toString(16).padStart(16, '0')}`
      return receiver.receive(name, shipment(1, 1, { source }))
    }
    for (const id of [1, 2, 3]) await spool('host/a', id)
    await assert.rejects(spool('host/a', 4), { code: 'SHIPPING_REFUSED' })
    await spool('host/a', 3)
    for (const id of [1, 2]) await spool('host/b', id)
    await assert.rejects(spool('host/c', 1), { code: 'SHIPPING_REFUSED' })
  })
})

describe('where a source goes on', () => {
  test('stands in the log alone: with any snapshot, or none, nothing is stored twice', async () => {
    using scratch = new Scratch()
    const snapshot = join(scratch.path, 'receiver/places.json')
    const snapshots: Buffer[] = []
    for (let first = 1; first <= 30; first += 10) {
      await using opened = await openReceiver(scratch.path, { limits: { snapshotEach: 7 } })
      for (let at = first; at < first + 10; at += 2) await opened.receiver.receive(NAME, shipment(at, 2))
      await opened.receiver.receive('host/b', shipment(1, 1, { source: 'host/b/00000000000000b1' }))
      if (existsSync(snapshot)) snapshots.push(readFileSync(snapshot))
    }
    snapshots.push(readFileSync(snapshot))
    assert.ok(snapshots.length >= 3)
    for (const bytes of [...snapshots, null, Buffer.from('nonsense'), Buffer.from('{"v":1,"size":1,"lastLeaf":"","places":[[1]]}')]) {
      if (bytes === null) rmSync(snapshot)
      else writeFileSync(snapshot, bytes)
      await using opened = await openReceiver(scratch.path)
      assert.equal((await opened.receiver.receive(NAME, shipment(1, 30))).next, 31)
      assert.equal((await entriesIn(opened.log)).length, 31)
      await assertSound(opened.log)
    }
  })

  test('is in no snapshot too far back, nor too far on, while many sources are at work', async () => {
    using scratch = new Scratch()
    const snapshot = join(scratch.path, 'receiver/places.json')
    const sources = Array.from({ length: 8 }, (_, index) => `${NAME}/00000000000000c${index}`)
    const snapshots = new Set<string>()
    {
      await using opened = await openReceiver(scratch.path, { limits: { snapshotEach: 1 } })
      const work = async (source: string): Promise<void> => {
        // As many as it takes for some to be written meanwhile
        for (let first = 1; first <= 10 || (snapshots.size < 3 && first <= 1000); first += 1) {
          await opened.receiver.receive(NAME, shipment(first, 1, { source }))
          if (existsSync(snapshot)) snapshots.add(readFileSync(snapshot, 'utf8'))
        }
      }
      await Promise.all(sources.map(work))
    }
    assert.ok(snapshots.size > 1)
    for (const text of snapshots) {
      writeFileSync(snapshot, text)
      await using opened = await openReceiver(scratch.path)
      for (const source of sources) assert.ok((await opened.receiver.receive(NAME, shipment(1, 10, { source }))).next >= 11)
      assert.deepEqual(opened.receiver.counts, { records: 0, lost: 0, refused: 0, forked: 0, reset: 0 })
    }
  })

  test('is not looked for in another log, nor in an older copy of it', async () => {
    using scratch = new Scratch()
    {
      await using opened = await openReceiver(scratch.path)
      await opened.receiver.receive(NAME, shipment(1, 5))
    }
    rmSync(join(scratch.path, 'log'), { recursive: true })
    await assert.rejects(openReceiver(scratch.path), { code: 'SHIPPING_OTHER_LOG' })
    rmSync(join(scratch.path, 'receiver'), { recursive: true })
    {
      await using opened = await openReceiver(scratch.path)
      // The log was lost: what the source goes on from is not here any more
      await opened.receiver.receive(NAME, shipment(6, 1))
      assert.deepEqual(opened.receiver.counts, { records: 1, lost: 5, refused: 0, forked: 1, reset: 0 })
      await opened.receiver.receive('host/b', shipment(1, 9, { source: 'host/b/00000000000000b1' }))
      await assertSound(opened.log)
    }
    const snapshot = join(scratch.path, 'receiver/places.json')
    writeFileSync(snapshot, readFileSync(snapshot, 'utf8').replace(/"lastLeaf":"./, '"lastLeaf":"_'))
    await assert.rejects(openReceiver(scratch.path), { code: 'SHIPPING_OTHER_LOG' })
  })
})
