// SPDX-License-Identifier: Apache-2.0
// A receiving log on a disk, what stands in it, and records for it.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeEntry, type LogEntry, type LogReport, leafHash, parseEntry, readEntries, verifyLog } from '@sallyport/audit-log'
import { openTransparencyLog, type RecordLink, type TransparencyLog } from '@sallyport/store'
import { ShipmentReceiver, type ShipmentReceiverOptions } from './receive/shipment-receiver.ts'

const ORIGIN = 'log.test/receiving'
const AT = '2026-11-30T00:00:00.000Z'

/** In memory where there is some: what is tried here is not the disk. */
export class Scratch implements Disposable {
  readonly path: string = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-shipping-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

function openLog(directory: string): Promise<TransparencyLog> {
  const never = async (): Promise<never> => {
    throw new Error('nothing is published here')
  }
  return openTransparencyLog(directory, { signer: { origin: ORIGIN, latest: never, sign: never }, cosigner: null, lockWaitMs: 0 })
}

/** A receiver with its log; both end. */
export async function openReceiver(
  directory: string,
  more: Partial<ShipmentReceiverOptions> = {},
): Promise<AsyncDisposable & { readonly log: TransparencyLog; readonly receiver: ShipmentReceiver }> {
  const log = await openLog(join(directory, 'log'))
  try {
    const receiver = await ShipmentReceiver.open(log, { directory: join(directory, 'receiver'), now: () => Date.parse(AT), ...more })
    return {
      log,
      receiver,
      [Symbol.asyncDispose]: async () => {
        await receiver[Symbol.asyncDispose]()
        await log[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await log[Symbol.asyncDispose]()
    throw error
  }
}

export function record(source: string, seq: number, more: Partial<LogEntry> = {}): Uint8Array {
  return encodeEntry({ v: 1, at: AT, source, seq, type: seq === 1 ? 'source.opened' : 'step.log', ...more })
}

export function recordsOf(source: string, first: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => record(source, first + index))
}

export function linkTo(number: number, bytes: Uint8Array): RecordLink {
  return { number, hash: leafHash(bytes) }
}

export async function entriesIn(log: TransparencyLog): Promise<LogEntry[]> {
  const { size } = await log.integrate()
  const entries = await Array.fromAsync(readEntries(log.source, { size, from: 0, to: size }))
  return entries.map(({ bytes }) => parseEntry(bytes))
}

export async function reportOn(log: TransparencyLog): Promise<LogReport> {
  return verifyLog({
    source: log.source,
    durable: { source: log.source, head: await log.integrate() },
    trust: { origin: ORIGIN, epochs: [], policy: { logs: [], witnesses: [], groups: [], quorum: null } },
    clock: { nowS: Date.parse(AT) / 1000, freshnessS: null },
    remembered: [],
    minimumIndex: 0,
    hasOurEntries: true,
  })
}

export async function assertSound(log: TransparencyLog): Promise<void> {
  const { isSound, findings } = await reportOn(log)
  assert.deepEqual(isSound ? [] : findings, [])
}
