// SPDX-License-Identifier: Apache-2.0
// One exchange after the other with a receiver, each over a connection that is cut at another byte.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { HttpServer } from '@sallyport/http'
import { hashToken, httpTransport, ShipmentReceiver, shipmentHandler } from '@sallyport/log-shipping'
import { Spool, type Transport } from '@sallyport/store'
import { testCertificate } from '../../packages/log-shipping/src/_test-certificate.spawn.ts'
import { type Cut, CuttingProxy } from './_cutting-proxy.ts'
import { assertLogSound, NAME, numbersIn, openReceivingLog, shippedEntry } from './_shipping-faults.ts'

const TOKEN = 'a token for the tests alone'.replaceAll(' ', '-').padEnd(40, '-')

function failTest(error: unknown): never {
  throw error
}

export interface CutsTried {
  /** Bytes of one exchange that was not cut, from the first of its TLS on. */
  readonly bytes: Readonly<Record<Cut['direction'], number>>
  readonly cuts: number
  readonly records: number
}

/** Cuts at each `stride`-th byte of both directions; then every record stands in the log once, and no gap. */
export async function tryCuts(directory: string, stride: number): Promise<CutsTried> {
  const tls = testCertificate()
  await using log = await openReceivingLog(join(directory, 'log'))
  await using receiver = await ShipmentReceiver.open(log, { directory: join(directory, 'receiver') })
  const handle = shipmentHandler({
    receiver,
    credentials: () => [{ name: NAME, tokenHash: hashToken(TOKEN) }],
    onFailure: failTest,
    // A connection that was cut may hold its place for as long as nobody says that it is gone
    limits: { shipmentsOfNameMax: 1000, shipmentsMax: 1000 },
  })
  await using server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: failTest, tls })
  await using proxy = await CuttingProxy.start(Number(new URL(server.url).port))
  await using spool = await Spool.open(join(directory, 'spool'), { name: NAME, bytesMax: 2 ** 20 })
  const send = httpTransport({ url: proxy.url, token: TOKEN, ca: tls.cert })
  const exchange = async (cut: Cut | null): Promise<void> => {
    await spool.append([shippedEntry('cut', spool.source, spool.next)])
    proxy.endAll()
    proxy.cut = cut
    await shipNow(spool, send)
    proxy.cut = null
    if (spool.bytes > 0) await shipNow(spool, send)
    assert.equal(spool.bytes, 0)
  }
  await exchange(null)
  await exchange(null)
  const bytes = { ...proxy.bytes }
  for (const direction of ['up', 'down'] as const)
    for (let after = 0; after < bytes[direction]; after += stride) await exchange({ direction, after })
  const texts = (await numbersIn(log)).get(spool.source) ?? []
  assert.deepEqual(
    texts,
    Array.from({ length: spool.next - 1 }, (_, index) => Buffer.from(shippedEntry('cut', spool.source, index + 1)).toString()),
  )
  assert.deepEqual(receiver.counts, { records: spool.next - 1, lost: 0, refused: 0, forked: 0, reset: 0 })
  await assertLogSound(log)
  return { bytes, cuts: proxy.cuts, records: spool.next - 1 }
}

/** One attempt, or as many as succeed. */
async function shipNow(spool: Spool, send: Transport): Promise<void> {
  const done = new AbortController()
  await spool.ship(async (shipment, signal) => {
    try {
      const receipt = await send(shipment, signal)
      if (receipt.next === spool.next) queueMicrotask(() => done.abort())
      return receipt
    } catch (error) {
      done.abort()
      throw error
    }
  }, done.signal)
}
