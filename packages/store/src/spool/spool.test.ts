// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { leafHash } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { StoreError } from '../store-error.ts'
import type { Receipt, Shipment, Transport } from './contract.ts'
import { Spool } from './spool.ts'

const OPTIONS = { name: 'host/one', bytesMax: 2 ** 20 }

/** Keeps records and gaps in memory, as lines. */
class MemoryReceiver {
  readonly lines: string[] = []
  readonly shipments: Shipment[] = []
  next = 1

  readonly receive = async (shipment: Shipment): Promise<Receipt> => {
    this.shipments.push(shipment)
    const { first, records: list } = shipment
    if (first > this.next) this.lines.push(`${this.next}-${first - 1} lost`)
    for (const [index, record] of list.entries())
      if (first + index >= this.next) this.lines.push(`${first + index} ${Buffer.from(record).toString()}`)
    this.next = Math.max(this.next, first + list.length)
    return this.#receipt()
  }

  #receipt(): Receipt {
    return { next: this.next, refused: 0, reason: null }
  }
}

function records(first: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.from(`record ${first + index}`))
}

function linesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index + 1} record ${index + 1}`)
}

/** Ships until that holds. */
async function shipUntil(spool: Spool, transport: Transport, isDone: () => boolean): Promise<void> {
  const done = new AbortController()
  const shipping = spool.ship(transport, done.signal)
  for (let attempt = 0; attempt < 3000 && !isDone(); attempt += 1) await sleep(10)
  done.abort()
  await shipping
  assert.equal(isDone(), true)
}

test('records arrive in order, and leave nothing behind', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const receiver = new MemoryReceiver()
  await using spool = await Spool.open(directory, OPTIONS)
  for (let first = 1; first <= 100; first += 10) await spool.append(records(first, 10))
  await shipUntil(spool, receiver.receive, () => receiver.lines.length === 100 && spool.bytes === 0)
  assert.deepEqual(receiver.lines, linesOf(100))
  assert.deepEqual(globSync('records/*', { cwd: directory }), [])
})

test('each shipment names the record before it, also after another process has gone on', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const receiver = new MemoryReceiver()
  for (const first of [1, 4, 7]) {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(first, 3))
    await shipUntil(spool, receiver.receive, () => receiver.next === first + 3)
  }
  assert.deepEqual(
    receiver.shipments.map(({ previous }) => previous && { ...previous, hash: Buffer.from(previous.hash) }),
    [null, ...[3, 6].map((number) => ({ number, hash: Buffer.from(leafHash(Buffer.from(`record ${number}`))) }))],
  )
})

test('records that are appended while it ships arrive, too', async (t) => {
  const receiver = new MemoryReceiver()
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  const appending = (async () => {
    for (let first = 1; first <= 200; first += 1) await spool.append(records(first, 1))
  })()
  await shipUntil(spool, receiver.receive, () => receiver.lines.length === 200)
  await appending
  assert.deepEqual(receiver.lines, linesOf(200))
})

test('after every kind of break it goes on where it was, and nothing comes twice', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const receiver = new MemoryReceiver()
  let calls = 0
  const broken: Transport = async (shipment) => {
    calls += 1
    if (calls % 3 === 1) throw new Error('the line is down')
    const receipt = await receiver.receive(shipment)
    if (calls % 3 === 2) throw new Error('the answer was lost')
    return receipt
  }
  for (let first = 1; first <= 60; first += 20) {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(first, 10))
    await spool.append(records(first + 10, 10))
    await shipUntil(spool, broken, () => receiver.lines.length >= first + 9)
  }
  await using spool = await Spool.open(directory, OPTIONS)
  await shipUntil(spool, receiver.receive, () => receiver.lines.length === 60)
  assert.deepEqual(receiver.lines, linesOf(60))
})

test('what there is no room for is counted, and a gap at the receiver, also when nothing follows it', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const receiver = new MemoryReceiver()
  const options = { ...OPTIONS, bytesMax: 250 }
  {
    await using spool = await Spool.open(directory, options)
    assert.equal(await spool.append(records(1, 10)), true)
    assert.equal(await spool.append(records(11, 10)), false)
    assert.equal(spool.counts.lost, 10)
  }
  await using spool = await Spool.open(directory, options)
  assert.equal(await spool.append(records(21, 10)), false)
  await shipUntil(spool, receiver.receive, () => receiver.next === 31 && spool.bytes === 0)
  assert.deepEqual(receiver.lines, [...linesOf(10), '11-30 lost'])
  assert.equal(await spool.append(records(31, 2)), true)
  await shipUntil(spool, receiver.receive, () => receiver.lines.length === 13)
  assert.deepEqual(receiver.lines, [...linesOf(10), '11-30 lost', '31 record 31', '32 record 32'])
})

test('what no receiver would take is refused, and takes no number', async (t) => {
  const receiver = new MemoryReceiver()
  await using spool = await Spool.open(makeTemporaryDirectory(t), { ...OPTIONS, bytesMax: 2 ** 30 })
  const isTooLarge = (error: unknown): boolean => error instanceof StoreError && error.code === 'EVENT_TOO_LARGE'
  await assert.rejects(spool.append([new Uint8Array(65_536)]), isTooLarge)
  await assert.rejects(spool.append(Array.from({ length: 70 }, () => new Uint8Array(65_535))), isTooLarge)
  await assert.rejects(spool.append([]), TypeError)
  await assert.rejects(spool.append(Array.from({ length: 10_001 }, () => new Uint8Array(1))), TypeError)
  await assert.rejects(Spool.open('/nowhere', { name: 'Host one', bytesMax: 1 }), TypeError)
  await spool.append(records(1, 10_000))
  await shipUntil(spool, receiver.receive, () => receiver.lines.length === 10_000)
  assert.deepEqual(receiver.lines, linesOf(10_000))
})

test('a spool has one writer', async (t) => {
  const directory = makeTemporaryDirectory(t)
  await using _spool = await Spool.open(directory, OPTIONS)
  await assert.rejects(Spool.open(directory, OPTIONS), (error) => error instanceof StoreError && error.code === 'LOG_LOCKED')
})

test('a receiver that says what it cannot know is not believed, and its owner is told', async (t) => {
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  await spool.append(records(1, 2))
  const receipts = [
    { next: 0, refused: 0 },
    { next: 1, refused: 0 },
    { next: 2 ** 53, refused: 0 },
    { next: Number.NaN, refused: 0 },
    { next: 3, refused: -1 },
  ]
  const troubles: (string | null)[] = []
  await shipUntil(
    spool,
    async () => {
      troubles.push(spool.trouble)
      return { ...(receipts.shift() ?? { next: 3, refused: 0 }), reason: null }
    },
    () => spool.bytes === 0,
  )
  assert.deepEqual(troubles, [
    null,
    'no receiver waits for 0',
    'no receiver waits for 1',
    `no receiver waits for ${2 ** 53}`,
    'no receiver waits for NaN',
    'no receiver refuses -1 records',
  ])
  assert.deepEqual([spool.trouble, spool.counts], [null, { lost: 0, refused: 0, rewound: 0 }])
})

test('a receiver that asks to be left alone is, for no longer than is sensible', async (t) => {
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  await spool.append(records(1, 1))
  const times: number[] = []
  const answers = [400, Number.NaN, -5]
  const receiver = new MemoryReceiver()
  await shipUntil(
    spool,
    async (shipment) => {
      times.push(performance.now())
      const retryAfterMs = answers.shift()
      if (retryAfterMs !== undefined) throw Object.assign(new Error('later'), { retryAfterMs })
      return receiver.receive(shipment)
    },
    () => receiver.next === 2,
  )
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 390)
})

test('records that were refused are counted, and shipping goes on', async (t) => {
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  await spool.append(records(1, 5))
  let trouble: string | null = null
  await shipUntil(
    spool,
    async ({ first, records: list }) => ({ next: first + list.length, refused: 99, reason: 'not-canonical' }),
    () => {
      trouble ??= spool.trouble
      return spool.bytes === 0
    },
  )
  assert.equal(spool.counts.refused, 5)
  assert.match(String(spool.trouble ?? trouble), /refused 99 records: not-canonical/)
})

test('a directory that was lost is another source', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const sources = new Set<string>()
  for (let count = 0; count < 2; count += 1) {
    await using spool = await Spool.open(directory, OPTIONS)
    assert.match(spool.source, /^host\/one\/[0-9a-f]{16}$/)
    assert.equal(spool.next, 1)
    sources.add(spool.source)
    await spool.append(records(1, 1))
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true })
  }
  assert.equal(sources.size, 2)
})

test('a directory that was put back gives up numbers that the receiver has, and goes on behind them', async (t) => {
  const [directory, copy] = [makeTemporaryDirectory(t), makeTemporaryDirectory(t)]
  const receiver = new MemoryReceiver()
  {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(1, 10))
    await shipUntil(spool, receiver.receive, () => receiver.next === 11)
  }
  cpSync(directory, copy, { recursive: true })
  {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(11, 20))
    await shipUntil(spool, receiver.receive, () => receiver.next === 31)
  }
  await using spool = await Spool.open(copy, OPTIONS)
  assert.equal(spool.next, 11)
  await spool.append([Buffer.from('another 11')])
  await shipUntil(spool, receiver.receive, () => spool.counts.rewound === 1)
  assert.deepEqual([spool.counts.lost, spool.next], [1, 31])
  await spool.append([Buffer.from('another 31')])
  await shipUntil(spool, receiver.receive, () => receiver.next === 32)
  const { previous } = receiver.shipments.at(-1) ?? {}
  assert.deepEqual(Buffer.from(previous?.hash ?? []), Buffer.from(leafHash(Buffer.from('another 11'))), 'it names its own past')
})

test('a state that was torn is the one before; one that is gone is no new spool', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const state = join(directory, 'state')
  {
    await using spool = await Spool.open(directory, { ...OPTIONS, bytesMax: 10 })
    for (let count = 0; count < 3; count += 1) await spool.append(records(1, 1))
  }
  const whole = readFileSync(state)
  for (const slot of [0, 1]) {
    const torn = Buffer.from(whole)
    torn.fill(0, slot * 4096 + 100, slot * 4096 + 4096)
    writeFileSync(state, torn)
    await using spool = await Spool.open(directory, OPTIONS)
    assert.equal(spool.next, 4)
  }
  writeFileSync(state, Buffer.alloc(8192))
  await assert.rejects(Spool.open(directory, OPTIONS), { code: 'STORE_CORRUPT' })
  writeFileSync(state, whole)
  {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(4, 1))
  }
  rmSync(state)
  await assert.rejects(Spool.open(directory, OPTIONS), { code: 'STORE_CORRUPT' })
})
