// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os'
import {
  AuditLogError,
  type Commitment,
  CompactRange,
  encodeEntry,
  JOB_CLOSED,
  type LogEntry,
  leafHash,
  SOURCE_CLOSED,
  SOURCE_OPENED,
} from '@sallyport/audit-log'
import type { EventEnvelope } from '@sallyport/core'
import { PayloadStore } from '@sallyport/store'
import { callerFacts } from './caller.ts'
import { readCaller } from './config.ts'
import type { RetentionClass } from './contract.ts'

/** More goes beside the log. */
const INLINE_CHARS_MAX = 16 * 1024
/** The longest name that an entry takes; what is longer was chosen by somebody who tries things. */
const NAME_LENGTH_MAX = 1024

/** For the retention of payloads. */
const EVENT_CLASS: RetentionClass = 'record'

type Facts = Pick<LogEntry, 'at' | 'type' | 'job' | 'step'>
type Event = Pick<EventEnvelope, 'at' | 'type' | 'job' | 'step' | 'data'>

/**
 * The events of one run as the entries of one source: `source.opened`, the events of the journal in their order, `job.closed` for each job and
 * `source.closed`, both with counts. A source beside the run begins with `begun` instead. Calls must not overlap. Names and data in events were chosen by jobs.
 */
export class RunEntries {
  readonly #source: string
  readonly #payloads: PayloadStore
  readonly #jobs = new Map<string, number>()
  /** Of all entries so far. */
  readonly #tree = new CompactRange()
  #seq = 0

  constructor(source: string, logDirectory: string) {
    this.#source = source
    this.#payloads = new PayloadStore(logDirectory)
  }

  async opened(at: string): Promise<Uint8Array> {
    const { data, ...beside } = await callerFacts(this.#payloads, readCaller(), { at, source: this.#source })
    const entry = this.#next({ at, type: SOURCE_OPENED })
    return this.#add(encodeEntry({ ...entry, data: { host: hostname().toWellFormed(), ...data }, ...beside }))
  }

  /** Of a source that nobody has called. */
  begun(at: string, data: Readonly<Record<string, unknown>>): Uint8Array {
    return this.#add(encodeEntry(this.#next({ at, type: SOURCE_OPENED, data })))
  }

  async event(event: Event): Promise<Uint8Array> {
    const { entry, text, encoded } = entryOfEvent(event, (facts) => this.#next(facts))
    return this.#add(encoded ?? encodeEntry({ ...entry, private: await this.#keep(text, entry) }))
  }

  /** The last entry commits to all others: its proof is one for the whole run. `document`: what it commits to of the run's document; `facts`: what else it says. */
  closed(document: Commitment | null = null, facts: Readonly<Record<string, unknown>> = { dropped: {} }): Uint8Array[] {
    const at = new Date().toISOString()
    const jobs = [...this.#jobs].map(([job, count]) =>
      this.#add(encodeEntry(this.#next({ at, type: JOB_CLOSED, job, data: { events: count + 1 } }))),
    )
    const data = { ...facts, events: this.#seq + 1, root: Buffer.from(this.#tree.root()).toString('base64') }
    const last = { ...this.#next({ at, type: SOURCE_CLOSED, data }), ...(document === null ? {} : { private: document }) }
    return [...jobs, encodeEntry(last)]
  }

  #add(entry: Uint8Array): Uint8Array {
    this.#tree.append(leafHash(entry))
    return entry
  }

  #next<T extends Facts>(facts: T): T & LogEntry {
    this.#seq += 1
    if (facts.job !== undefined) this.#jobs.set(facts.job, (this.#jobs.get(facts.job) ?? 0) + 1)
    return { ...facts, v: 1, source: this.#source, seq: this.#seq }
  }

  #keep(text: string, { at, job }: Facts): ReturnType<PayloadStore['put']> {
    return this.#payloads.put([Buffer.from(text)], { class: EVENT_CLASS, at, source: this.#source, job: job ?? null })
  }
}

interface EventEntry {
  readonly entry: LogEntry
  /** The event's data, as it lies beside the log where it has no room in it. */
  readonly text: string
  /** Null: it has no room. */
  readonly encoded: Uint8Array | null
}

/** The entry that stands for an event of a journal. `place` gives it its place in a source. */
export function entryOfEvent({ at, type, job, step, data }: Event, place: (facts: Facts) => LogEntry): EventEntry {
  const entry = place({ at, type, ...nameOf('job', job), ...nameOf('step', step) })
  const output = type === 'step.log' ? splitOutput(data) : null
  const text = JSON.stringify(data)
  return { entry, text, encoded: output === null ? inline(entry, text) : encodeEntry({ ...entry, ...output }) }
}

/** What a step printed lies in the record of the run; null where it printed nothing. Our own data: no job chose it. */
function splitOutput({ commitment, ...data }: EventEnvelope['data']): Pick<LogEntry, 'data' | 'private'> | null {
  if (typeof commitment !== 'string') return null
  return { data, private: { commitment, bytes: Number(data['to']) - Number(data['from']) } }
}

/** An entry has no empty and no endless names. */
function nameOf(key: 'job' | 'step', name: string | undefined): Partial<Record<'job' | 'step', string>> {
  return name === undefined || name === '' ? {} : { [key]: name.slice(0, NAME_LENGTH_MAX).toWellFormed() }
}

/** Null for what an entry cannot hold: too much, nested too deep, names that are no text. */
function inline(entry: LogEntry, text: string): Uint8Array | null {
  if (text.length > INLINE_CHARS_MAX) return null
  const data = JSON.parse(text, (_key, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value)) as Record<
    string,
    unknown
  >
  try {
    return encodeEntry({ ...entry, data })
  } catch (error) {
    if (error instanceof TypeError || error instanceof AuditLogError) return null
    throw error
  }
}
