// SPDX-License-Identifier: Apache-2.0
// A spool that ships into a log beside it, and what has to hold after whatever happened to both.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { encodeEntry, parseEntry, readEntries, verifyLog } from '@sallyport/audit-log'
import { ShipmentReceiver } from '@sallyport/log-shipping'
import { openTransparencyLog, Spool, type TransparencyLog } from '@sallyport/store'
import type { Said } from './_log-faults.ts'

export const NAME = 'host/faults'
const ORIGIN = 'log.test/receiving'
const AT = '2026-11-30T00:00:00.000Z'
/** Of three times as many records as are appended at once, the last are lost. */
const BYTES_MAX = 3000
const APPENDED = 6
/** An entry of some 200 bytes. */
const TEXT = 'x'.repeat(60)

export function shippedEntry(generation: string, source: string, seq: number): Uint8Array {
  return encodeEntry({ v: 1, at: AT, source, seq, type: seq === 1 ? 'source.opened' : 'step.log', data: { generation, text: TEXT } })
}

export async function openReceivingLog(directory: string): Promise<TransparencyLog> {
  const never = async (): Promise<never> => {
    throw new Error('nothing is published here')
  }
  return openTransparencyLog(directory, { signer: { origin: ORIGIN, latest: never, sign: never }, cosigner: null, lockWaitMs: 0 })
}

/** Appends, loses, ships and goes on, with the receiver opened anew in between. `onAppended` is told what is durable, or lost. */
export async function shipAll(directory: string, generation: string, onAppended: (said: Said) => Promise<void>): Promise<void> {
  for (const round of [0, 1]) {
    await using spool = await Spool.open(join(directory, 'spool'), { name: NAME, bytesMax: BYTES_MAX })
    for (let count = 0; count < 3; count += 1) {
      const { next: first, source } = spool
      const records = Array.from({ length: APPENDED }, (_, index) => shippedEntry(generation, source, first + index))
      const isKept = await spool.append(records)
      for (let index = 0; index < APPENDED; index += 1) await onAppended({ type: 'shipped', first: first + index, isKept, generation })
    }
    await shipThrough(spool, directory, round === 0 ? 3 : 50_000)
  }
}

/** Until the receiver has all; a break of the line ends it. */
async function shipThrough(spool: Spool, directory: string, snapshotEach: number): Promise<ShipmentReceiver['counts']> {
  await using log = await openReceivingLog(join(directory, 'audit'))
  await using receiver = await ShipmentReceiver.open(log, { directory: join(directory, 'receiver'), limits: { snapshotEach } })
  const done = new AbortController()
  const broken = Promise.withResolvers<never>()
  const shipping = spool.ship(async (shipment) => {
    try {
      const receipt = await receiver.receive(NAME, shipment)
      if (receipt.next === spool.next) done.abort()
      return receipt
    } catch (error) {
      broken.reject(error)
      done.abort()
      throw error
    }
  }, done.signal)
  await Promise.race([shipping, broken.promise])
  await shipping
  return receiver.counts
}

/** Every record that was said to be durable stands in the log once, under its number; every number that was lost stands in a gap; the log is sound. */
export async function assertShipped(directory: string, said: readonly Said[]): Promise<void> {
  const source = await goOn(directory)
  await using log = await openReceivingLog(join(directory, 'audit'))
  const found = await numbersIn(log)
  assert.deepEqual([...found.keys()], [source])
  const texts = found.get(source) ?? []
  for (const words of said) {
    if (words.type !== 'shipped') continue
    const expected = words.isKept ? Buffer.from(shippedEntry(words.generation, source, words.first)).toString() : null
    assert.equal(texts[words.first - 1], expected, `number ${words.first}`)
  }
  await assertLogSound(log)
}

export async function assertLogSound(log: TransparencyLog): Promise<void> {
  const report = await verifyLog({
    source: log.source,
    durable: { source: log.source, head: await log.integrate() },
    trust: { origin: ORIGIN, epochs: [], policy: { logs: [], witnesses: [], groups: [], quorum: null } },
    clock: { nowS: Date.now() / 1000, freshnessS: null },
    remembered: [],
    minimumIndex: 0,
    hasOurEntries: true,
  })
  assert.deepEqual(report.isSound ? [] : report.findings, [])
}

/** As the next processes would. */
async function goOn(directory: string): Promise<string> {
  await using spool = await Spool.open(join(directory, 'spool'), { name: NAME, bytesMax: 2 ** 20 })
  assert.equal(await spool.append([shippedEntry('next', spool.source, spool.next)]), true)
  const { forked, reset, refused } = await shipThrough(spool, directory, 50_000)
  assert.deepEqual({ forked, reset, refused }, { forked: 0, reset: 0, refused: 0 })
  assert.deepEqual(spool.counts, { lost: 0, refused: 0, rewound: 0 })
  return spool.source
}

/** The record under each number of each source; null in a gap. No number comes twice, and none is left out. */
export async function numbersIn(log: TransparencyLog): Promise<Map<string, (string | null)[]>> {
  const { size } = await log.integrate()
  const found = new Map<string, (string | null)[]>()
  for await (const { bytes } of readEntries(log.source, { size, from: 0, to: size })) {
    const { source, seq, type, data } = parseEntry(bytes)
    const texts = found.get(source) ?? []
    found.set(source, texts)
    assert.equal(seq, texts.length + 1, source)
    if (type === 'source.gap') for (let number = seq; number <= Number(data?.['last']); number += 1) texts.push(null)
    else texts.push(Buffer.from(bytes).toString())
  }
  return found
}
