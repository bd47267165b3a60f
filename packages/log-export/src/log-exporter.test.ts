// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MemoryLog, testEntries } from './_log.ts'
import { TemporaryDirectory } from './_temporary-directory.ts'
import type { Delivery, ExportProgress, ExportRecord, ExportTarget } from './contract.ts'
import { ExportError } from './export-error.ts'
import { LogExporter } from './log-exporter.ts'

const TIMES = { pollMs: 5, retryMs: 1, retryMsMax: 5 }

/** Takes what it is told to take. */
class FakeTarget implements ExportTarget {
  readonly taken: number[] = []
  readonly largestBatch = { records: 0 }
  failures = 0
  refuse: (index: number) => boolean = () => false

  async deliver(records: readonly ExportRecord[]): Promise<Delivery> {
    if (this.failures > 0) {
      this.failures--
      throw new ExportError('EXPORT_FAILED', 'Cannot reach it')
    }
    this.largestBatch.records = Math.max(this.largestBatch.records, records.length)
    const refused = records.filter(({ index }) => this.refuse(index)).map(({ index }) => ({ index, reason: 'no' }))
    this.taken.push(...records.map(({ index }) => index).filter((index) => !this.refuse(index)))
    return { refused, shortened: 0 }
  }
}

interface Setting {
  readonly directory: string
  readonly log: MemoryLog
  readonly target: ExportTarget
  readonly progress?: ExportProgress[]
}

function open({ directory, log, target, progress = [] }: Setting): Promise<LogExporter> {
  return LogExporter.open({ source: log, target, directory, name: 'siem', onProgress: (one) => progress.push(one), times: TIMES })
}

async function exportOnce(setting: Setting): Promise<ExportProgress> {
  await using exporter = await open(setting)
  // Awaited here: the exporter must not be closed before
  return await exporter.runOnce(new AbortController().signal)
}

function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count - from }, (_, index) => from + index)
}

describe('an export', () => {
  test('sends every entry once and in order, and goes on where it was, in another process, too', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(600)), new FakeTarget()]
    const setting = { directory: directory.path, log, target }
    assert.deepEqual(await exportOnce(setting), {
      next: 600,
      size: 600,
      delivered: 600,
      refused: 0,
      shortened: 0,
      missing: 0,
      failure: null,
    })
    assert.deepEqual(await exportOnce(setting), {
      next: 600,
      size: 600,
      delivered: 600,
      refused: 0,
      shortened: 0,
      missing: 0,
      failure: null,
    })
    log.publish(testEntries(20, 600))
    assert.equal((await exportOnce(setting)).delivered, 620)
    assert.deepEqual(target.taken, upTo(620))
    assert.equal(target.largestBatch.records, 256)
  })

  test('keeps its place in a file for its owner', async () => {
    await using directory = await TemporaryDirectory.create()
    await exportOnce({ directory: directory.path, log: new MemoryLog().publish(testEntries(3)), target: new FakeTarget() })
    const { next, origin } = JSON.parse(await readFile(join(directory.path, 'siem.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual([next, origin], [3, 'log.example.test/audit'])
  })

  test('tries again what a target did not take, and loses nothing', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target, progress] = [new MemoryLog().publish(testEntries(600)), new FakeTarget(), [] as ExportProgress[]]
    target.failures = 3
    await exportOnce({ directory: directory.path, log, target, progress })
    assert.deepEqual(target.taken, upTo(600))
    assert.deepEqual(
      progress.filter(({ failure }) => failure !== null).map(({ next, size }) => size - next),
      [600, 600, 600],
    )
  })

  test('that ends on its own gives up after some attempts, and says where it stands', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(10)), new FakeTarget()]
    target.failures = 100
    await assert.rejects(exportOnce({ directory: directory.path, log, target }), { code: 'EXPORT_FAILED' })
    target.failures = 0
    assert.equal((await exportOnce({ directory: directory.path, log, target })).delivered, 10)
  })

  test('counts what a target will never take', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(300)), new FakeTarget()]
    target.refuse = (index) => index % 100 === 0
    const { delivered, refused } = await exportOnce({ directory: directory.path, log, target })
    assert.deepEqual([delivered, refused], [297, 3])
  })

  test('counts entries that were pruned before their turn', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(600)), new FakeTarget()]
    log.files.delete('tile/entries/000')
    const { delivered, missing } = await exportOnce({ directory: directory.path, log, target })
    assert.deepEqual([delivered, missing], [344, 256])
    assert.deepEqual(target.taken, upTo(600, 256))
  })

  test('reads the full bundle where a partial one is gone, and fails where both are', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(300)), new FakeTarget()]
    const old = log.files.get('checkpoint') ?? new Uint8Array()
    log.publish(testEntries(212, 300)).files.set('checkpoint', old)
    log.files.delete('tile/entries/001.p/44')
    assert.equal((await exportOnce({ directory: directory.path, log, target })).delivered, 300)
    const damaged = new MemoryLog().publish(testEntries(310))
    damaged.files.delete('tile/entries/001.p/54')
    await assert.rejects(exportOnce({ directory: directory.path, log: damaged, target }), { code: 'EXPORT_UNREADABLE' })
  })

  const others: readonly [string, (log: MemoryLog) => MemoryLog][] = [
    ['is another one', () => new MemoryLog().publish(testEntries(300), 'other.example.test')],
    ['was rolled back', () => new MemoryLog().publish(testEntries(200))],
    ['was rewritten', () => new MemoryLog().publish(testEntries(300, 1000))],
  ]
  for (const [title, change] of others)
    test(`ends where the log ${title}`, async () => {
      await using directory = await TemporaryDirectory.create()
      const [log, target] = [new MemoryLog().publish(testEntries(300)), new FakeTarget()]
      await exportOnce({ directory: directory.path, log, target })
      await assert.rejects(exportOnce({ directory: directory.path, log: change(log), target }), { code: 'EXPORT_OTHER_LOG' })
      assert.equal(target.taken.length, 300)
    })

  test('ends at a cursor that it did not write', async () => {
    await using directory = await TemporaryDirectory.create()
    await writeFile(join(directory.path, 'siem.json'), '{"next":-1}')
    await assert.rejects(exportOnce({ directory: directory.path, log: new MemoryLog(), target: new FakeTarget() }), {
      code: 'EXPORT_OTHER_LOG',
    })
  })

  test('has one process for each target', async () => {
    await using directory = await TemporaryDirectory.create()
    const setting = { directory: directory.path, log: new MemoryLog(), target: new FakeTarget() }
    await using _exporter = await open(setting)
    await assert.rejects(open(setting), { code: 'EXPORT_LOCKED' })
  })
})

describe('an export that follows the log', () => {
  test('sends what is published later, outlasts a log and a target that fail, and ends when it is told to', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target, progress] = [new MemoryLog(), new FakeTarget(), [] as ExportProgress[]]
    await using exporter = await open({ directory: directory.path, log, target, progress })
    const stop = new AbortController()
    const following = exporter.follow(stop.signal)
    const until = async (isThere: () => boolean): Promise<void> => {
      while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await until(() => progress.some(({ failure }) => failure !== null))
    log.publish(testEntries(300))
    await until(() => target.taken.length === 300)
    log.failure = new Error('input/output error')
    target.failures = 20
    log.publish(testEntries(300, 300))
    await until(() => progress.at(-1)?.failure === 'input/output error')
    log.failure = null
    await until(() => target.taken.length === 600)
    stop.abort()
    await following
    assert.deepEqual(target.taken, upTo(600))
  })

  test('does not outlast another log in the place of its own', async () => {
    await using directory = await TemporaryDirectory.create()
    const [log, target] = [new MemoryLog().publish(testEntries(10)), new FakeTarget()]
    await exportOnce({ directory: directory.path, log, target })
    await using exporter = await open({ directory: directory.path, log: new MemoryLog().publish(testEntries(5)), target })
    await assert.rejects(exporter.follow(new AbortController().signal), { code: 'EXPORT_OTHER_LOG' })
  })
})
