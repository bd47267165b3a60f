// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, SOURCE_OPENED } from '@sallyport/audit-log'
import { PayloadStore, StoreError } from '@sallyport/store'
import type { AuditFilter, AuditPlace, ShownEntry } from './contract.ts'
import { locateLog, readHead } from './located-log.ts'
import { entriesOf } from './run-range.ts'

/** Sources whose caller is remembered while the log is read. */
const SOURCES_MAX = 20_000

/** The entries that fit, in the order of the log. */
export async function* showEntries(place: AuditPlace, filter: AuditFilter): AsyncGenerator<ShownEntry> {
  const log = await locateLog(place)
  const { size } = await readHead(log)
  const callers = new Callers(new PayloadStore(log.directory))
  for await (const shown of entriesOf(log.source, size)) {
    if (filter.actor !== null) await callers.note(shown.entry)
    if (fits(shown.entry, filter) && (filter.actor === null || callers.of(shown.entry) === filter.actor)) yield shown
  }
}

function fits({ source, job, type, at, data }: LogEntry, filter: AuditFilter): boolean {
  return (
    (filter.run === null || source.startsWith(`run/${filter.run}`)) &&
    (filter.job === null || job === filter.job) &&
    (filter.type === null || type === filter.type) &&
    (filter.since === null || at >= filter.since) &&
    // A day, or a minute, is over when the next one begins
    (filter.until === null || at.slice(0, filter.until.length) <= filter.until) &&
    (filter.secret === null || (Array.isArray(data?.['secrets']) && data['secrets'].includes(filter.secret))) &&
    (filter.host === null || isAbout(data, filter.host))
  )
}

function isAbout(data: LogEntry['data'], host: string): boolean {
  const target = data?.['target']
  return data?.['host'] === host || target === host || (typeof target === 'string' && target.startsWith(`${host}:`))
}

/** Who called which run; unknown where that was erased. */
class Callers {
  readonly #payloads: PayloadStore
  readonly #bySource = new Map<string, string>()

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads
  }

  async note({ type, source, data, private: commitment }: LogEntry): Promise<void> {
    if (type !== SOURCE_OPENED || this.#bySource.size >= SOURCES_MAX) return
    const actor = commitment === undefined ? data?.['actor'] : await this.#read(commitment)
    if (typeof actor === 'string') this.#bySource.set(source, actor)
  }

  of({ source }: LogEntry): string | undefined {
    return this.#bySource.get(source)
  }

  async #read(commitment: NonNullable<LogEntry['private']>): Promise<unknown> {
    try {
      const { actor } = JSON.parse(Buffer.concat(await Array.fromAsync(this.#payloads.read(commitment))).toString()) as { actor?: unknown }
      return actor
    } catch (error) {
      if (error instanceof StoreError) return undefined // Erased, or not what the log commits to.
      throw error
    }
  }
}
