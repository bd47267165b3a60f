// SPDX-License-Identifier: Apache-2.0
import type { Commitment } from '@sallyport/audit-log'
import type { EventEnvelope, SallyportError } from '@sallyport/core'
import type { TransparencyLog } from '@sallyport/store'
import type { RunDocument } from '../contract.ts'
import { auditPlaces } from './audit-places.ts'
import { type AppendedAndPublished, appendAndPublish, appendToLog, type LogWork, type PublishOptions } from './open-log.ts'
import { RunEntries } from './run-entries.ts'
import type { SourcesBeside } from './run-log.ts'

type Publishes = Pick<PublishOptions, 'waitMs'>
/** Where a run stands. */
export type LoggedRun = Omit<NonNullable<RunDocument['log']>, 'salt'>
type Place = Omit<LoggedRun, 'unpublished'>

/** What {@link RunLog} loads when there is something to write. Calls must not overlap; after one failed, the object is of no use. */
export class RunLogWriter {
  readonly #stateDirectory: string
  readonly #entries: RunEntries
  readonly #beside: SourcesBeside | null
  #first: number | null = null

  constructor(stateDirectory: string, source: string, beside: SourcesBeside | null) {
    this.#stateDirectory = stateDirectory
    this.#entries = this.#begin(source)
    this.#beside = beside
  }

  /** Publishes, too, where `publishes` is not null; then there may be no events. Answers with why readers do not see it all yet. */
  async append(events: readonly EventEnvelope[], publishes: Publishes | null): Promise<SallyportError | null> {
    const beside = (await this.#beside?.take(this.#begin)) ?? []
    if (events.length === 0 && beside.length === 0)
      return publishes === null
        ? null
        : (await appendAndPublish(this.#stateDirectory, async () => undefined, { purpose: 'interval', ...publishes })).unpublished
    const entries = [...(await this.#encode(events)), ...beside]
    return (await this.#toLog({ publishes, leaves: false }, entries)).unpublished
  }

  /** The last of the events, and the end of the source, which commits to its document. */
  async close(events: readonly EventEnvelope[], document: Commitment | null, publishes: Publishes | null): Promise<LoggedRun> {
    const beside = (await this.#beside?.close(this.#begin)) ?? []
    // The run's own end comes last: it is what stands for the run.
    const entries = [...(await this.#encode(events)), ...beside, ...this.#entries.closed(document)]
    const { result, unpublished } = await this.#toLog({ publishes, leaves: true }, entries)
    return { ...result, unpublished: unpublished === null ? null : unpublished.message }
  }

  readonly #begin = (source: string): RunEntries => new RunEntries(source, auditPlaces(this.#stateDirectory).log)

  async #encode(events: readonly EventEnvelope[]): Promise<Uint8Array[]> {
    const entries = this.#first === null ? [await this.#entries.opened(events[0]?.at ?? new Date().toISOString())] : []
    for (const event of events) entries.push(await this.#entries.event(event))
    return entries
  }

  async #toLog(
    { publishes, leaves }: { readonly publishes: Publishes | null; readonly leaves: boolean },
    entries: readonly Uint8Array[],
  ): Promise<AppendedAndPublished<Place>> {
    const work: LogWork<Place> = (log, origin) => this.#append(log, origin, entries)
    if (publishes !== null) return appendAndPublish(this.#stateDirectory, work, { purpose: 'interval', ...publishes })
    return { result: await appendToLog(this.#stateDirectory, work, { leaves }), unpublished: null }
  }

  async #append(log: TransparencyLog, origin: string, entries: readonly Uint8Array[]): Promise<Place> {
    const { first, last } = await log.append(entries)
    this.#first ??= first
    return { origin, first: this.#first, last, size: log.size }
  }
}
