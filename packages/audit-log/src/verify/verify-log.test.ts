// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { epochOf, logEntry, MemoryLog, NOW_S, newSigner, newWitnesses, ORIGIN, plainRoot, policyOf, sourceEntries } from '../_memory-log.ts'
import { formatCheckpoint } from '../checkpoint.ts'
import type { KeyEpoch, LogEntry, TileSource } from '../contract.ts'
import { encodeEntries } from '../entry/entry-bundle.ts'
import { encodeEntry } from '../entry/log-entry.ts'
import type { Cosigner, NoteSigner } from '../note/keys.ts'
import { formatNote } from '../note/note.ts'
import { CompactRange } from '../tree/compact-range.ts'
import { type LogReport, type LogVerification, verifyLog } from './verify-log.ts'

const signer = newSigner()
const SIZE = 700

const trust = { origin: ORIGIN, epochs: [epochOf(signer)], policy: policyOf(signer, [], 0) }
const base = { trust, clock: { nowS: NOW_S, freshnessS: 3600 }, remembered: [], minimumIndex: 0, hasOurEntries: true }

const check = (log: TileSource, options: Partial<LogVerification> = {}): Promise<LogReport> =>
  verifyLog({ ...base, source: log, ...options })

function soundLog(size = SIZE): MemoryLog {
  return new MemoryLog(sourceEntries('run/1', size)).publish(signer)
}

/** Root put these entries, and what follows from them, in the place of those of `log`, whose checkpoint stays. */
function rewritten(log: MemoryLog, entries: readonly Uint8Array[]): MemoryLog {
  const other = new MemoryLog(entries)
  other.files.set('checkpoint', log.files.get('checkpoint') ?? assert.fail())
  return other
}

/** The bundle `index` holds these entries; the tiles stay. */
function setBundle(log: MemoryLog, path: string, entries: readonly Uint8Array[]): MemoryLog {
  assert.ok(log.files.has(path))
  log.files.set(path, encodeEntries(entries))
  return log
}

function flip(log: MemoryLog, path: string, at: number): MemoryLog {
  const bytes = Buffer.from(log.files.get(path) ?? assert.fail(`${path} is not there`))
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  log.files.set(path, bytes)
  return log
}

function kindsOf({ findings }: LogReport): string[] {
  return findings.map(({ kind }) => kind)
}

const forged = encodeEntry(logEntry('run/1', 300, { data: { text: 'nothing happened' } }))

describe('a sound log', () => {
  for (const size of [2, 3, 255, 256, 257, 511, 512, 700, 65_536, 65_537 + 256]) {
    it(`of ${size} entries is found to be sound`, async () => {
      const report = await check(soundLog(size))
      assert.deepEqual(report.findings, [])
      assert.equal(report.isSound, true)
      assert.equal(report.entriesChecked, size)
      assert.deepEqual(report.head, soundLog(size).head)
    })
  }

  it('without entries, too', async () => {
    const report = await check(new MemoryLog([]).publish(signer), { clock: { nowS: NOW_S, freshnessS: null } })
    assert.deepEqual([report.isSound, report.findings], [true, []])
  })

  it('may have full files where partial ones were', async () => {
    const entries = sourceEntries('run/1', 900)
    const log = new MemoryLog(entries.slice(0, SIZE)).publish(signer)
    const grown = new MemoryLog(entries)
    for (const path of ['tile/0/002', 'tile/entries/002']) {
      assert.ok(log.files.delete(`${path}.p/188`))
      log.files.set(path, grown.files.get(path) ?? assert.fail())
    }
    const report = await check(log)
    assert.deepEqual([report.findings, report.entriesChecked, report.openSources], [[], SIZE, ['run/1']])
  })
})

describe('whoever rewrites entries', () => {
  it('is found when the tiles were kept, with the first wrong entry', async () => {
    const log = soundLog()
    const entries = log.entries.slice(256, 512)
    const report = await check(setBundle(log, 'tile/entries/001', entries.with(44, forged)))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-edited', { first: 300, last: 300 }])
    assert.deepEqual(kindsOf(report), ['entry-wrong'])
  })

  it('is found to have inserted one', async () => {
    const log = soundLog()
    const entries = log.entries.slice(256, 512).toSpliced(44, 0, forged).slice(0, 256)
    const report = await check(setBundle(log, 'tile/entries/001', entries))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-inserted', { first: 300, last: 300 }])
  })

  it('is found to have added one behind the last', async () => {
    const log = soundLog()
    const report = await check(setBundle(log, 'tile/entries/002.p/188', [...log.entries.slice(512), forged]))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-inserted', { first: 700, last: 700 }])
  })

  it('is found to have removed one', async () => {
    const log = soundLog()
    const report = await check(setBundle(log, 'tile/entries/001', log.entries.slice(256, 512).toSpliced(44, 1)))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-removed', { first: 300, last: 300 }])
  })

  it('is found to have removed the last of a bundle', async () => {
    const log = soundLog()
    const report = await check(setBundle(log, 'tile/entries/002.p/188', log.entries.slice(512, -1)))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-removed', { first: 699, last: 699 }])
  })

  it('is found to have changed their order', async () => {
    const log = soundLog()
    const entries = log.entries.slice(256, 512)
    const [a, b] = [entries[44] ?? assert.fail(), entries[90] ?? assert.fail()]
    const report = await check(setBundle(log, 'tile/entries/001', entries.with(44, b).with(90, a)))
    assert.deepEqual([report.manipulation, report.firstWrong], ['entries-reordered', { first: 300, last: 300 }])
  })

  it('is found when the tile of the entry was rewritten, too, within the tile above', async () => {
    const log = soundLog()
    const other = rewritten(log, log.entries.with(300, encodeEntry(logEntry('run/1', 301))))
    other.files.set('tile/1/000.p/2', log.files.get('tile/1/000.p/2') ?? assert.fail())
    const report = await check(other)
    assert.deepEqual(kindsOf(report), ['tile-wrong', 'root-wrong'])
    assert.deepEqual([report.manipulation, report.firstWrong], ['entry-edited', { first: 256, last: 511 }])
  })

  it('is found when every tile was rewritten, since the root was signed', async () => {
    const log = soundLog()
    const report = await check(rewritten(log, log.entries.with(300, encodeEntry(logEntry('run/1', 301, { job: 'build' })))))
    assert.deepEqual([report.manipulation, kindsOf(report)], ['rewritten', ['root-wrong']])
    assert.deepEqual(report.firstWrong, { first: 0, last: 699 })
  })

  it('is narrowed down by what somebody remembers', async () => {
    const log = soundLog()
    const remembered = [100, 256, 290, 512].map((size) => ({ ...log.headAt(size), from: 'an earlier check' }))
    const report = await check(rewritten(log, log.entries.with(300, encodeEntry(logEntry('run/1', 301)))), { remembered })
    assert.deepEqual(report.findings.find(({ kind }) => kind === 'head-different')?.entries, { first: 290, last: 511 })
    assert.deepEqual(report.firstWrong, { first: 290, last: 511 })
  })
})

describe('a file that is not what it was', () => {
  it('is a tile that was changed alone', async () => {
    for (const [path, at] of [
      ['tile/0/001', 44 * 32],
      ['tile/0/002.p/188', 187 * 32],
      ['tile/1/000.p/2', 33],
    ] as const) {
      const report = await check(flip(soundLog(), path, at))
      assert.deepEqual([report.manipulation, report.isSound], ['tile-edited', false], path)
      assert.ok(kindsOf(report).includes('tile-wrong'), path)
    }
  })

  it('is a tile that is gone, or has another length', async () => {
    for (const path of ['tile/0/001', 'tile/0/002.p/188', 'tile/1/000.p/2']) {
      const log = soundLog()
      log.files.delete(path)
      assert.deepEqual(kindsOf(await check(log)), ['tile-missing'], path)
      log.files.set(path, Buffer.alloc(31))
      assert.deepEqual(kindsOf(await check(log)), ['tile-missing'], path)
    }
  })

  it('is a bundle that is gone while its tile is there', async () => {
    const log = soundLog()
    log.files.delete('tile/entries/001')
    const report = await check(log)
    assert.deepEqual([kindsOf(report), report.firstWrong], [['bundle-missing'], { first: 256, last: 511 }])
  })

  it('is a bundle that ends in the middle of an entry', async () => {
    const log = soundLog()
    const bytes = log.files.get('tile/entries/001') ?? assert.fail()
    log.files.set('tile/entries/001', bytes.subarray(0, 5000))
    const report = await check(log)
    assert.ok(kindsOf(report).includes('bundle-malformed'))
    assert.equal(report.isSound, false)
  })

  it('is the tail, when it was cut off', async () => {
    const log = soundLog()
    for (const path of log.files.keys()) if (path.includes('/002')) log.files.delete(path)
    const report = await check(log)
    assert.deepEqual([report.manipulation, report.firstWrong], ['truncated', { first: 512, last: 699 }])
  })

  it('is all of them', async () => {
    const log = soundLog()
    log.files.clear()
    const report = await check(log)
    assert.deepEqual([report.manipulation, kindsOf(report), report.head], ['log-deleted', ['checkpoint-missing'], null])
  })

  it('is whatever was done to files: cut, swapped, deleted, mixed up', async () => {
    const size = 300
    const paths = [...soundLog(size).files.keys()]
    const path = fc.constantFrom(...paths)
    const change = fc.oneof(
      fc.record({ kind: fc.constant('delete' as const), path }),
      fc.record({ kind: fc.constant('cut' as const), path, to: fc.nat(9000) }),
      fc.record({ kind: fc.constant('set' as const), path, bytes: fc.uint8Array({ maxLength: 200 }), at: fc.nat(9000) }),
      fc.record({ kind: fc.constant('swap' as const), path, other: path }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const [log, whole] = [soundLog(size), soundLog(size)]
        for (const one of changes) {
          const bytes = log.files.get(one.path) ?? Buffer.alloc(0)
          if (one.kind === 'delete') log.files.delete(one.path)
          else if (one.kind === 'cut') log.files.set(one.path, bytes.subarray(0, one.to))
          else if (one.kind === 'set')
            log.files.set(one.path, Buffer.concat([bytes.subarray(0, one.at), one.bytes, bytes.subarray(one.at + one.bytes.length)]))
          else log.files.set(one.path, log.files.get(one.other) ?? Buffer.alloc(0)).set(one.other, bytes)
        }
        const isSame = paths.every((name) => Buffer.from(log.files.get(name) ?? []).equals(whole.files.get(name) ?? Buffer.alloc(0)))
        assert.equal((await check(log)).isSound, isSame)
      }),
      { numRuns: process.env['SLOW'] === '1' ? 20_000 : 400 },
    )
  })

  it('is any single bit of any file', async () => {
    for (const [path, bytes] of soundLog(300).files) {
      const step = Math.ceil(bytes.length / 40)
      for (let at = 0; at < bytes.length; at += step) {
        const report = await check(flip(soundLog(300), path, at))
        assert.equal(report.isSound, false, `${path} at ${at}`)
      }
    }
  })
})

describe('a checkpoint', () => {
  it('that an older key signed for a size that is not its own is refused', async () => {
    const later = newSigner()
    const log = new MemoryLog(sourceEntries('run/1', SIZE))
    const first = new MemoryLog(log.entries.slice(0, 400))
    const epochs: KeyEpoch[] = [
      { key: signer.key, firstSize: 0, lastSize: 400, seal: first.checkpoint(signer) },
      { key: later.key, firstSize: 400, lastSize: null, seal: null },
    ]
    const options = { trust: { ...trust, epochs } }
    assert.equal((await check(log.publish(later), options)).isSound, true)
    assert.equal((await check(log.publish(signer), options)).manipulation, 'epoch-resealed')
    const cut = new MemoryLog(log.entries.slice(0, 300)).publish(later)
    const report = await check(cut, options)
    assert.deepEqual([report.manipulation, kindsOf(report).slice(0, 2)], ['epoch-resealed', ['epoch-wrong', 'head-ahead']])
  })

  it('of today’s key does not move what an earlier key has sealed', async () => {
    const later = newSigner()
    const entries = sourceEntries('run/1', SIZE)
    const seal = new MemoryLog(entries.slice(0, 400)).checkpoint(signer)
    const epochs: KeyEpoch[] = [
      { key: signer.key, firstSize: 0, lastSize: 400, seal },
      { key: later.key, firstSize: 400, lastSize: null, seal: null },
    ]
    const log = new MemoryLog(entries.with(300, encodeEntry(logEntry('run/1', 301, { data: { text: 'nothing happened' } })))).publish(later)
    const report = await check(log, { trust: { ...trust, epochs } })
    assert.deepEqual([report.manipulation, kindsOf(report)], ['forked', ['head-different']])
    for (const bad of [
      null,
      Buffer.from('nothing'),
      new MemoryLog(entries.slice(0, 399)).checkpoint(signer),
      new MemoryLog(entries.slice(0, 400)).checkpoint(later),
    ]) {
      const unsealed = await check(log, {
        trust: { ...trust, epochs: [{ ...(epochs[0] ?? assert.fail()), seal: bad }, ...epochs.slice(1)] },
      })
      assert.deepEqual([unsealed.manipulation, kindsOf(unsealed)], ['epoch-resealed', ['seal-wrong']])
    }
  })

  it('whose signature was taken away is a failure, not a weaker log', async () => {
    const log = soundLog()
    const text = Buffer.from(log.files.get('checkpoint') ?? assert.fail()).toString()
    log.files.set('checkpoint', Buffer.from(text.slice(0, text.indexOf('—'))))
    assert.deepEqual([(await check(log)).manipulation, (await check(log)).isSound], ['signature-stripped', false])
    const [other] = newWitnesses(1)
    log.files.set('checkpoint', soundLog().checkpoint(newSigner('somebody.example.test'), other === undefined ? [] : [other]))
    assert.equal((await check(log)).manipulation, 'signature-stripped')
  })

  it('by a key that is not the log’s is told from one without signature', async () => {
    assert.equal((await check(soundLog().publish(newSigner()))).manipulation, 'key-swapped')
  })

  it('that was changed is refused', async () => {
    const log = soundLog()
    const text = Buffer.from(log.files.get('checkpoint') ?? assert.fail()).toString()
    log.files.set('checkpoint', Buffer.from(text.replace('700', '699')))
    assert.equal((await check(log)).manipulation, 'checkpoint-edited')
    log.files.set('checkpoint', Buffer.from(text.replace('700', '0700')))
    assert.equal((await check(log)).manipulation, 'checkpoint-edited')
  })

  it('of another log is refused', async () => {
    const other = { ...trust, origin: 'other.example.test' }
    assert.equal((await check(soundLog(), { trust: other })).manipulation, 'other-log')
  })
})

describe('a log that was rolled back', () => {
  const remember = (log: MemoryLog, size: number) => [{ ...log.headAt(size), from: 'an earlier check' }]

  it('is not found out by itself', async () => {
    assert.equal((await check(soundLog(400))).isSound, true)
  })

  it('is found by what somebody remembers', async () => {
    const report = await check(soundLog(400), { remembered: remember(soundLog(), SIZE) })
    assert.deepEqual([report.manipulation, report.firstWrong], ['rolled-back', { first: 400, last: 699 }])
  })

  it('and grown again is found', async () => {
    const other = new MemoryLog([...soundLog().entries.slice(0, 400), ...sourceEntries('run/2', 500)]).publish(signer)
    const report = await check(other, { remembered: remember(soundLog(), SIZE) })
    assert.equal(report.manipulation, 'forked')
  })

  it('or shown to somebody else with another end is found', async () => {
    const entries = soundLog().entries.with(699, encodeEntry(logEntry('run/1', 700, { data: { text: 'another view' } })))
    const report = await check(new MemoryLog(entries).publish(signer), { remembered: remember(soundLog(), SIZE) })
    assert.deepEqual([report.manipulation, kindsOf(report)], ['two-views', ['head-different']])
  })

  it('is as it was for whoever remembers any size of it', async () => {
    const log = soundLog()
    for (const size of [0, 1, 255, 256, 257, 511, 512, 513, 699, 700])
      assert.deepEqual((await check(log, { remembered: remember(log, size) })).findings, [], `${size}`)
  })
})

describe('witnesses', () => {
  const witnesses = newWitnesses(3)
  const withPolicy = (threshold: number, names: NoteSigner = signer): Partial<LogVerification> => ({
    trust: { ...trust, policy: policyOf(names, witnesses, threshold) },
  })
  const cosigned = (cosigners: readonly Cosigner[], timestampS = NOW_S): MemoryLog => soundLog(300).publish(signer, cosigners, timestampS)

  it('make a quorum, or the log is not sound', async () => {
    assert.equal((await check(cosigned(witnesses.slice(1)), withPolicy(2))).isSound, true)
    const report = await check(cosigned(witnesses.slice(2)), withPolicy(2))
    assert.deepEqual([report.manipulation, kindsOf(report)], ['witnesses-missing', ['quorum-missed']])
    assert.deepEqual(report.witnesses, [{ name: 'w3', timestampS: NOW_S }])
  })

  it('that said so long ago tell that the log has stopped', async () => {
    const report = await check(cosigned(witnesses, NOW_S - 3601), withPolicy(2))
    assert.deepEqual([report.manipulation, kindsOf(report)], ['log-stopped', ['stale']])
    assert.equal((await check(cosigned(witnesses, NOW_S - 3600), withPolicy(2))).isSound, true)
  })

  it('from the far future do not count', async () => {
    assert.deepEqual(kindsOf(await check(cosigned(witnesses, NOW_S + 601), withPolicy(2))), ['quorum-missed'])
    assert.equal((await check(cosigned(witnesses, NOW_S + 600), withPolicy(2))).isSound, true)
  })

  it('who are not those of the policy do not count', async () => {
    assert.deepEqual(kindsOf(await check(cosigned(newWitnesses(3)), withPolicy(1))), ['quorum-missed'])
  })

  it('whose cosignature is wrong make the checkpoint unsound, whatever the others say', async () => {
    const log = cosigned(witnesses)
    const text = Buffer.from(log.files.get('checkpoint') ?? assert.fail()).toString()
    const line = text.split('\n').find((candidate) => candidate.startsWith('— w2')) ?? assert.fail()
    const end = line.slice(-8)
    log.files.set('checkpoint', Buffer.from(text.replace(end, `${end.startsWith('A') ? 'B' : 'A'}${end.slice(1)}`)))
    assert.deepEqual(kindsOf(await check(log, withPolicy(1))), ['signature-wrong'])
  })
})

describe('a log without witnesses', () => {
  it('is not made fresh by an entry from the future', async () => {
    const entries = [...sourceEntries('run/1', 3), encodeEntry(logEntry('s', 1, { type: 'source.opened', at: '2099-01-01T00:00:00.000Z' }))]
    const clock = { nowS: NOW_S + 7200, freshnessS: 3600 }
    assert.deepEqual(kindsOf(await check(new MemoryLog(entries).publish(signer), { clock })), ['stale'])
  })

  it('whose entries say nothing either cannot be asked how fresh it is', async () => {
    await assert.rejects(check(soundLog(), { hasOurEntries: false }), TypeError)
  })

  it('has stopped when its last entry is old', async () => {
    const report = await check(soundLog(), { clock: { nowS: NOW_S + 7200, freshnessS: 3600 } })
    assert.deepEqual([report.manipulation, kindsOf(report)], ['log-stopped', ['stale']])
  })
})

describe('a pruned log', () => {
  const pruned = (): MemoryLog => {
    const log = soundLog(66_000)
    for (const path of log.files.keys()) if (/^tile\/(?:0|entries)\/(?:0|1)[0-9]{2}$/.test(path)) log.files.delete(path)
    return log
  }
  const minimumIndex = 200 * 256 + 7

  it('is still compared with what somebody remembers, where its tiles tell', async () => {
    const [log, whole] = [pruned(), soundLog(66_000)]
    const remember = (size: number, root = whole.headAt(size).root) => [{ size, root, from: 'an earlier check' }]
    for (const size of [256, 512 * 20, 200 * 256, 60_000])
      assert.deepEqual((await check(log, { minimumIndex, remembered: remember(size) })).findings, [], `${size}`)
    const unchecked = await check(log, { minimumIndex, remembered: remember(300) })
    assert.deepEqual([kindsOf(unchecked), unchecked.isSound], [['head-unchecked'], true])
    const different = await check(log, { minimumIndex, remembered: remember(512, Buffer.alloc(32)) })
    assert.deepEqual([kindsOf(different), different.manipulation], [['head-different'], 'forked'])
  })

  it('is not sound when the tiles are gone that it still needs', async () => {
    const log = pruned()
    log.files.delete('tile/1/000')
    const report = await check(log, { minimumIndex })
    assert.deepEqual([kindsOf(report), report.isSound], [['tile-missing'], false])
  })

  it('is sound from its minimum index on', async () => {
    const report = await check(pruned(), { minimumIndex })
    assert.deepEqual([report.findings, report.entriesChecked], [[], 66_000 - 200 * 256])
    assert.equal((await check(pruned())).isSound, false)
  })
})

describe('what a source left out', () => {
  const opened = logEntry('s', 1, { type: 'source.opened' })
  const closed = (seq: number, dropped = {}): LogEntry => logEntry('s', seq, { type: 'source.closed', data: { events: seq, dropped } })
  const gap = (seq: number, last: number): LogEntry => logEntry('s', seq, { type: 'source.gap', data: { last, reason: 'lost' } })
  const cases: readonly [what: string, entries: readonly LogEntry[], kinds: readonly string[]][] = [
    ['nothing', [opened, logEntry('s', 2), closed(3)], []],
    ['one in the middle', [opened, logEntry('s', 3), closed(4)], ['sequence-gap']],
    ['its beginning', [logEntry('s', 2), closed(3)], ['source-unopened']],
    ['its opening', [logEntry('s', 1), closed(2)], ['source-unopened']],
    ['its order', [opened, logEntry('s', 3), logEntry('s', 2), closed(4)], ['sequence-gap', 'sequence-repeated']],
    ['nothing, but it says one twice', [opened, logEntry('s', 2), logEntry('s', 2), closed(3)], ['sequence-repeated']],
    ['its count', [opened, { ...closed(2), data: { events: 5, dropped: {} } }], ['source-count-wrong']],
    ['its end, after which it goes on', [opened, closed(2), logEntry('s', 3)], ['source-reopened']],
    ['its end, after which it begins again', [opened, closed(2), opened], ['source-reopened']],
    ['what it could not record', [opened, closed(2, { overflow: 3 })], ['events-dropped']],
    [
      'an entry of a job',
      [opened, logEntry('s', 2, { job: 'j' }), logEntry('s', 3, { job: 'j', type: 'job.closed', data: { events: 3 } }), closed(4)],
      ['job-count-wrong'],
    ],
    [
      'no entry of a job',
      [opened, logEntry('s', 2, { job: 'j' }), logEntry('s', 3, { job: 'j', type: 'job.closed', data: { events: 2 } }), closed(4)],
      [],
    ],
    ['some that never came, as whoever received it says', [opened, gap(2, 4), logEntry('s', 5), gap(6, 6), closed(7)], ['events-dropped']],
    ['its opening, which never came', [gap(1, 1), logEntry('s', 2), closed(3)], ['events-dropped']],
    ['more than it is said to', [opened, gap(2, 4), logEntry('s', 6), closed(7)], ['sequence-gap', 'events-dropped']],
    ['one that is in a gap, too', [opened, gap(2, 4), logEntry('s', 3), closed(4)], ['sequence-repeated', 'events-dropped']],
    ['a gap that says nothing', [opened, logEntry('s', 2, { type: 'source.gap' }), closed(3)], ['events-dropped']],
    [
      'entries of a job, perhaps, in a gap',
      [opened, gap(2, 3), logEntry('s', 4, { job: 'j', type: 'job.closed', data: { events: 3 } }), closed(5)],
      ['events-dropped'],
    ],
    ['its clock', [opened, logEntry('s', 2, { at: '2020-01-01T00:00:00.000Z' }), closed(3)], ['clock-stepped']],
  ]
  for (const [what, entries, kinds] of cases) {
    it(`is seen: ${what}`, async () => {
      const report = await check(new MemoryLog(entries.map(encodeEntry)).publish(signer))
      assert.deepEqual(kindsOf(report), kinds)
      const isNotice = kinds.every((kind) => kind === 'events-dropped' || kind === 'clock-stepped')
      assert.equal(report.isSound, isNotice)
    })
  }

  it('is seen when what it wrote is no entry of ours', async () => {
    const report = await check(new MemoryLog([Buffer.from('{"v":2}')]).publish(signer), { clock: { nowS: NOW_S, freshnessS: null } })
    assert.deepEqual(kindsOf(report), ['entry-malformed'])
  })

  it('is listed when it has not ended', async () => {
    const log = new MemoryLog([opened, logEntry('s', 2)].map(encodeEntry)).publish(signer)
    assert.deepEqual((await check(log)).openSources, ['s'])
  })
})

describe('the memory of the check', () => {
  it('does not grow with the log', async () => {
    // Equal entries make equal files, so that a large log needs no room
    const entries = Array.from({ length: 256 }, () => Buffer.from('the same entry, again and again'))
    const bundles = 3000
    const log = new MemoryLog(entries)
    const [bundle, tile] = [log.files.get('tile/entries/000'), log.files.get('tile/0/000')]
    const root = log.head.root
    const tree = new CompactRange()
    for (let index = 0; index < bundles; index++) tree.appendSubtree(8, root)
    const text = formatCheckpoint({ origin: ORIGIN, ...tree.head(), extensions: [] })
    const upper = new MemoryLog([])
    upper.files.set('checkpoint', formatNote({ text, signatures: [signer.sign(text)] }))
    const levelOne = new MemoryLog(Array.from({ length: 256 }, () => Buffer.alloc(0)))
    const fullTile = Buffer.concat(Array.from({ length: 256 }, () => root))
    levelOne.leaves.fill(root)
    const levelTwo = Buffer.concat(Array.from({ length: 11 }, () => plainRoot(levelOne.leaves)))
    const used: number[] = []
    const source: TileSource = {
      read: (path) => {
        if (path.startsWith('tile/1/')) used.push(memoryInUse())
        if (path.startsWith('tile/entries/')) return Promise.resolve(bundle ?? null)
        if (path.startsWith('tile/0/')) return Promise.resolve(tile ?? null)
        if (path.startsWith('tile/1/')) return Promise.resolve(fullTile.subarray(0, path.endsWith('.p/184') ? 184 * 32 : undefined))
        if (path.startsWith('tile/2/')) return Promise.resolve(levelTwo)
        return upper.read(path)
      },
    }
    const report = await check(source, { hasOurEntries: false, clock: { nowS: NOW_S, freshnessS: null } })
    assert.deepEqual([report.findings, report.entriesChecked], [[], bundles * 256])
    // The hashes alone would be 24 MB, and several times that as objects
    assert.equal(used.length, 12)
    assert.ok(Math.max(...used) - (used[0] ?? 0) < 2_000_000, used.join(' '))
  })
})

/** What stays after everything was collected that nobody holds. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
