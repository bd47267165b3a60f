// SPDX-License-Identifier: Apache-2.0
// A source as a process of its own: `OPTIONS`, a JSON document. It goes on where it was killed, appends up to a number, and ends once all has arrived.
import { readFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { httpTransport } from '@sallyport/log-shipping'
import { Spool, type Transport } from '@sallyport/store'
import { shippedEntry } from './_shipping-faults.ts'

export interface SourceOptions {
  readonly directory: string
  readonly name: string
  readonly bytesMax: number
  readonly url: string
  readonly token: string
  readonly ca: string
  readonly generation: string
  /** Records, of all processes together. */
  readonly count: number
}

/** What it says once records are durable, or lost. */
export interface SourceSaid {
  readonly source: string
  readonly first: number
  readonly count: number
  readonly isKept: boolean
  readonly generation: string
}

/** How many records are appended at once. */
const BATCH = 5

async function work(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '') as SourceOptions
  const { directory, name, bytesMax, url, token, ca, generation, count } = options
  await using spool = await Spool.open(directory, { name, bytesMax })
  const done = new AbortController()
  let [isAppended, arrived] = [false, 0]
  const send = httpTransport({ url, token, ca: readFileSync(ca, 'utf8'), timeoutMs: 20_000 })
  const transport: Transport = async (shipment, signal) => {
    const receipt = await send(shipment, signal)
    arrived = receipt.next
    if (isAppended && arrived === spool.next) done.abort()
    return receipt
  }
  const shipping = spool.ship(transport, done.signal)
  while (spool.next <= count) {
    const { source, next: first } = spool
    const records = Array.from({ length: BATCH }, (_, index) => shippedEntry(generation, source, first + index))
    const isKept = await spool.append(records)
    writeSync(1, `${JSON.stringify({ source, first, count: BATCH, isKept, generation } satisfies SourceSaid)}\n`)
    await sleep(1)
  }
  isAppended = true
  if (arrived === spool.next) done.abort()
  // One more, so that something is shipped in any case
  else if (spool.bytes === 0) await spool.append([shippedEntry(generation, spool.source, spool.next)])
  await shipping
}

if (import.meta.main) await work()
