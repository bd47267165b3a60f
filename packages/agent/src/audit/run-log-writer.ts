// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope } from '@sallyport/core'
import type { TransparencyLog } from '@sallyport/store'
import type { RunDocument } from '../contract.ts'
import { auditPlaces } from './audit-places.ts'
import { appendAndPublish, appendToLog, type LogWork } from './open-log.ts'
import { RunEntries } from './run-entries.ts'

/** With all that the first call would load. */
export async function loadRunLogWriter(stateDirectory: string, source: string): Promise<RunLogWriter> {
  await import('@sallyport/linux') // 10 ms for the lock
  return new RunLogWriter(stateDirectory, source)
}

/** What {@link RunLog} loads when there is something to write. Calls must not overlap; after one failed, the object is of no use. */
export class RunLogWriter {
  readonly #stateDirectory: string
  readonly #entries: RunEntries
  #first: number | null = null

  constructor(stateDirectory: string, source: string) {
    this.#stateDirectory = stateDirectory
    this.#entries = new RunEntries(source, auditPlaces(stateDirectory).log)
  }

  async append(events: readonly EventEnvelope[], publishes: boolean): Promise<void> {
    const entries = await this.#encode(events)
    await this.#toLog({ publishes, leaves: false }, (log, origin) => this.#append(log, origin, entries))
  }

  /** The last of the events, and the end of the source. */
  async close(events: readonly EventEnvelope[], publishes: boolean): Promise<RunDocument['log']> {
    const entries = [...(await this.#encode(events)), ...this.#entries.closed()]
    return this.#toLog({ publishes, leaves: true }, (log, origin) => this.#append(log, origin, entries))
  }

  async #encode(events: readonly EventEnvelope[]): Promise<Uint8Array[]> {
    const entries = this.#first === null ? [await this.#entries.opened(events[0]?.at ?? new Date().toISOString())] : []
    for (const event of events) entries.push(await this.#entries.event(event))
    return entries
  }

  async #toLog<T>({ publishes, leaves }: { readonly publishes: boolean; readonly leaves: boolean }, work: LogWork<T>): Promise<T> {
    return publishes ? (await appendAndPublish(this.#stateDirectory, work)).result : appendToLog(this.#stateDirectory, work, { leaves })
  }

  async #append(log: TransparencyLog, origin: string, entries: readonly Uint8Array[]): Promise<RunDocument['log']> {
    const { first, last } = await log.append(entries)
    this.#first ??= first
    return { origin, first: this.#first, last, size: log.size }
  }
}
