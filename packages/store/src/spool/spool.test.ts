// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { StoreError } from '../store-error.ts'
import type { Shipment, ShipmentSink, Transport } from './contract.ts'
import { ShipmentReceiver } from './shipment-receiver.ts'
import { Spool } from './spool.ts'

const OPTIONS = { source: 'host/one', bytesMax: 2 ** 20 }

/** Keeps records and gaps in memory, as lines. */
class MemorySink implements ShipmentSink {
  readonly lines: string[] = []
  readonly #next = new Map<string, number>()

  async next(source: string): Promise<number> {
    return this.#next.get(source) ?? 1
  }

  async store({ source, first, records, lost }: Parameters<ShipmentSink['store']>[0]): Promise<void> {
    if (lost !== null) this.lines.push(`${lost.first}-${lost.last} lost`)
    for (const [index, record] of records.entries()) this.lines.push(`${first + index} ${Buffer.from(record).toString()}`)
    this.#next.set(source, first + records.length)
  }
}

function records(first: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.from(`record ${first + index}`))
}

function linesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index + 1} record ${index + 1}`)
}

/** Ships until the sink has that many lines. */
async function shipUntil(spool: Spool, transport: Transport, isDone: () => boolean): Promise<void> {
  const done = new AbortController()
  const shipping = spool.ship(transport, done.signal)
  for (let attempt = 0; attempt < 1000 && !isDone(); attempt += 1) await sleep(10)
  done.abort()
  await shipping
  assert.equal(isDone(), true)
}

function receiverOf(sink: ShipmentSink): Transport {
  const receiver = new ShipmentReceiver(sink)
  return (shipment) => receiver.receive(shipment)
}

test('records arrive in order, and leave nothing behind', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const sink = new MemorySink()
  await using spool = await Spool.open(directory, OPTIONS)
  for (let first = 1; first <= 100; first += 10) await spool.append(records(first, 10))
  await shipUntil(spool, receiverOf(sink), () => sink.lines.length === 100 && spool.bytes === 0)
  assert.deepEqual(sink.lines, linesOf(100))
  assert.deepEqual(globSync('records/*', { cwd: directory }), [])
})

test('records that are appended while it ships arrive, too', async (t) => {
  const sink = new MemorySink()
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  const appending = (async () => {
    for (let first = 1; first <= 200; first += 1) await spool.append(records(first, 1))
  })()
  await shipUntil(spool, receiverOf(sink), () => sink.lines.length === 200)
  await appending
  assert.deepEqual(sink.lines, linesOf(200))
})

test('after every kind of break it goes on where it was, and nothing comes twice', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const sink = new MemorySink()
  const receive = receiverOf(sink)
  let calls = 0
  const broken: Transport = async (shipment) => {
    calls += 1
    if (calls % 3 === 1) throw new Error('the line is down')
    const next = await receive(shipment)
    if (calls % 3 === 2) throw new Error('the answer was lost')
    return next
  }
  for (let first = 1; first <= 60; first += 20) {
    await using spool = await Spool.open(directory, OPTIONS)
    await spool.append(records(first, 10))
    await spool.append(records(first + 10, 10))
    await shipUntil(spool, broken, () => sink.lines.length >= first + 9)
  }
  await using spool = await Spool.open(directory, OPTIONS)
  await shipUntil(spool, receive, () => sink.lines.length === 60)
  assert.deepEqual(sink.lines, linesOf(60))
})

test('what there is no room for is counted, and a gap at the receiver', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const sink = new MemorySink()
  const options = { ...OPTIONS, bytesMax: 250 }
  {
    await using spool = await Spool.open(directory, options)
    assert.equal(await spool.append(records(1, 10)), true)
    assert.equal(await spool.append(records(11, 10)), false)
    assert.equal(spool.lost, 10)
  }
  await using spool = await Spool.open(directory, options)
  assert.equal(await spool.append(records(21, 10)), false)
  await shipUntil(spool, receiverOf(sink), () => sink.lines.length === 10 && spool.bytes === 0)
  assert.equal(await spool.append(records(31, 2)), true)
  await shipUntil(spool, receiverOf(sink), () => sink.lines.length === 13)
  assert.deepEqual(sink.lines, [...linesOf(10), '11-30 lost', '31 record 31', '32 record 32'])
})

test('what no receiver would take is refused, and takes no number', async (t) => {
  const sink = new MemorySink()
  await using spool = await Spool.open(makeTemporaryDirectory(t), { ...OPTIONS, bytesMax: 2 ** 30 })
  const isTooLarge = (error: unknown): boolean => error instanceof StoreError && error.code === 'EVENT_TOO_LARGE'
  await assert.rejects(spool.append([new Uint8Array(65_536)]), isTooLarge)
  await assert.rejects(spool.append(Array.from({ length: 70 }, () => new Uint8Array(65_535))), isTooLarge)
  await assert.rejects(spool.append([]), TypeError)
  await assert.rejects(spool.append(Array.from({ length: 10_001 }, () => new Uint8Array(1))), TypeError)
  await spool.append(records(1, 10_000))
  await shipUntil(spool, receiverOf(sink), () => sink.lines.length === 10_000)
  assert.deepEqual(sink.lines, linesOf(10_000))
})

test('a spool has one writer', async (t) => {
  const directory = makeTemporaryDirectory(t)
  await using _spool = await Spool.open(directory, OPTIONS)
  await assert.rejects(Spool.open(directory, OPTIONS), (error) => error instanceof StoreError && error.code === 'LOG_LOCKED')
})

test('a receiver that says what it cannot know is not believed', async (t) => {
  await using spool = await Spool.open(makeTemporaryDirectory(t), OPTIONS)
  await spool.append(records(1, 2))
  let calls = 0
  await shipUntil(
    spool,
    async () => [0, 99, Number.NaN, 3][calls++] ?? 3,
    () => calls === 4,
  )
  assert.equal(spool.bytes, 0)
})

test('the receiver refuses what no spool sends, and stores what overlaps once', async () => {
  const sink = new MemorySink()
  const receiver = new ShipmentReceiver(sink)
  for (const wrong of [{ first: 0 }, { first: 1.5 }, { first: 2 ** 53 }, { records: [] }, { source: '' }])
    await assert.rejects(receiver.receive({ source: 'a', first: 1, records: records(1, 1), ...wrong }), RangeError)
  const all = await Promise.all([
    receiver.receive({ source: 'a', first: 1, records: records(1, 5) }),
    receiver.receive({ source: 'a', first: 3, records: records(3, 5) }),
    receiver.receive({ source: 'a', first: 1, records: records(1, 2) }),
  ])
  assert.deepEqual(all, [6, 8, 8])
  assert.deepEqual(sink.lines, linesOf(7))
})

/** The receiving side as a server: a shipment a line, and the next number as the answer. */
function serve(receiver: ShipmentReceiver): Server {
  return createServer((socket) => {
    createInterface({ input: socket }).on('line', async (line) => {
      const { source, first, texts } = JSON.parse(line) as { source: string; first: number; texts: string[] }
      socket.write(`${await receiver.receive({ source, first, records: texts.map((text) => Buffer.from(text)) })}\n`)
    })
    socket.on('error', () => undefined)
  })
}

test('over a real connection that is cut again and again', async (t: TestContext) => {
  const sink = new MemorySink()
  const server = serve(new ShipmentReceiver(sink)).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  let calls = 0
  const transport: Transport = async ({ source, first, records: list }: Shipment) => {
    calls += 1
    const socket: Socket = connect({ port, host: '127.0.0.1' })
    try {
      await once(socket, 'connect')
      socket.write(`${JSON.stringify({ source, first, texts: list.map((record) => Buffer.from(record).toString()) })}\n`)
      if (calls % 4 === 1) throw new Error('cut')
      const [answer] = (await once(socket, 'data')) as [Buffer]
      return Number(answer.toString())
    } finally {
      socket.destroy()
    }
  }
  await using spool = await Spool.open(join(makeTemporaryDirectory(t), 'spool'), OPTIONS)
  for (let first = 1; first <= 200; first += 10) await spool.append(records(first, 10))
  await shipUntil(spool, transport, () => sink.lines.length === 200 && spool.bytes === 0)
  assert.deepEqual(sink.lines, linesOf(200))
})
