// SPDX-License-Identifier: Apache-2.0
// A spool on one disk, and a receiving log on the same, with HTTPS over loopback between both; all of it durable.
import { join } from 'node:path'
import { encodeEntry } from '@sallyport/audit-log'
import { HttpServer } from '@sallyport/http'
import { hashToken, httpTransport, ShipmentReceiver, shipmentHandler } from '@sallyport/log-shipping'
import { openTransparencyLog, Spool } from '@sallyport/store'
import { testCertificate } from '../packages/log-shipping/src/_test-certificate.spawn.ts'
import type { BenchRow } from './row.ts'

const NAME = 'host/bench'
const TOKEN = 'b'.repeat(40)
const BATCH = 1000
const RECORDS = 100_000
const BACKLOG_BYTES_MAX = 2 ** 30

function fail(error: unknown): never {
  throw error
}

/** `memoryBytes`: in use, once garbage was collected. */
export async function shippingRows(scratch: string, memoryBytes: () => number): Promise<BenchRow[]> {
  await using spool = await Spool.open(join(scratch, 'spool'), { name: NAME, bytesMax: BACKLOG_BYTES_MAX })
  const before = memoryBytes()
  const appendMs = await append(spool)
  const waiting = { bytes: spool.bytes, memory: memoryBytes() - before }
  const shipMs = await ship(spool, scratch)
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
  return [
    {
      name: 'shipping: durable in the spool',
      value: (RECORDS * 1000) / appendMs,
      unit: '/s',
      note: `${RECORDS} records of some 300 bytes, ${BATCH} at a time, one after the other`,
    },
    {
      name: 'shipping: shipped, and durable in the receiving log',
      value: (RECORDS * 1000) / shipMs,
      unit: '/s',
      note: 'the same records, HTTPS over loopback, client and server in one process, each record checked by the receiver',
    },
    {
      name: 'shipping: memory of the spool',
      value: waiting.memory / 2 ** 20,
      unit: 'MiB',
      note: `more, while ${mib(waiting.bytes)} MiB wait`,
    },
  ]
}

async function append(spool: Spool): Promise<number> {
  let ms = 0
  for (let count = 0; count < RECORDS; count += BATCH) {
    const { source, next } = spool
    const records = Array.from({ length: BATCH }, (_, index) => recordOf(source, next + index))
    const startedMs = performance.now()
    if (!(await spool.append(records))) throw new Error('the spool is full')
    ms += performance.now() - startedMs
  }
  return ms
}

function recordOf(source: string, seq: number): Uint8Array {
  return encodeEntry({
    v: 1,
    at: '2026-11-30T00:00:00.000Z',
    source,
    seq,
    type: seq === 1 ? 'source.opened' : 'process.executed',
    job: 'build',
    step: '3',
    data: {
      path: '/usr/lib/gcc/x86_64-linux-gnu/12/cc1',
      arguments: ['-quiet', '-O2', `-o/tmp/object-${seq}.s`],
      parent: 4711,
      uid: 1001,
    },
  })
}

async function ship(spool: Spool, scratch: string): Promise<number> {
  const tls = testCertificate()
  const signer = {
    origin: 'bench.sallyport.test/shipped',
    latest: async () => null,
    sign: async () => fail(new Error('nothing is published')),
  }
  await using log = await openTransparencyLog(join(scratch, 'received'), { signer, cosigner: null, lockWaitMs: 0 })
  await using receiver = await ShipmentReceiver.open(log, { directory: join(scratch, 'receiver') })
  const handle = shipmentHandler({ receiver, credentials: () => [{ name: NAME, tokenHash: hashToken(TOKEN) }], onFailure: fail })
  await using server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: fail, tls })
  const send = httpTransport({ url: server.url, token: TOKEN, ca: tls.cert })
  const done = new AbortController()
  const startedMs = performance.now()
  let endedMs = startedMs
  await spool.ship(async (shipment, signal) => {
    const receipt = await send(shipment, signal)
    if (receipt.next === spool.next) {
      endedMs = performance.now()
      done.abort()
    }
    return receipt
  }, done.signal)
  if (log.size !== RECORDS) throw new Error(`${log.size} records came`)
  return endedMs - startedMs
}
