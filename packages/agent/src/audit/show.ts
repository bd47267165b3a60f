// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, SOURCE_OPENED } from '@sallyport/audit-log'
import { PayloadStore, StoreError } from '@sallyport/store'
import type { AuditFilter, AuditPlace, ShownEntry } from './contract.ts'
import { type LocatedLog, locateLog } from './located-log.ts'
import { entriesOf, entryOf, findClaim, isEndOf } from './run-range.ts'
import { type VisibleLog, visibleLog } from './visible-log.ts'

/** Sources whose caller is remembered while the log is read. */
const SOURCES_MAX = 20_000

/** The entries that fit, in the order of the log, published or not. Nothing is written. */
export async function* showEntries(place: AuditPlace, filter: AuditFilter): AsyncGenerator<ShownEntry> {
  const log = await locateLog(place)
  const visible = await visibleLog(log)
  const callers = new Callers(new PayloadStore(log.directory))
  const [from, to] = await rangeOf(log, visible, place, filter.run)
  for await (const shown of entriesOf(visible.source, visible.size, from, to)) {
    if (filter.actor !== null) await callers.note(shown.entry)
    if (fits(shown.entry, filter) && (filter.actor === null || callers.of(shown.entry) === filter.actor)) yield shown
  }
}

/** Of a run whose own record says where it stands, and is right, that part of the log; else all of it that is here. */
async function rangeOf(
  log: LocatedLog,
  { source, size }: VisibleLog,
  place: AuditPlace,
  run: string | null,
): Promise<readonly [from: number, to: number]> {
  const all = [Math.min(log.minimumIndex, size), size] as const
  const claim = run === null || !log.isOwn ? null : await findClaim(place.stateDirectory, run)
  if (claim === null || claim.origin !== log.origin || claim.first < log.minimumIndex) return all
  const [first, last] = [await entryOf(source, size, claim.first), await entryOf(source, size, claim.last)]
  const isRight = isEndOf(claim.run, 'first', first?.entry) && isEndOf(claim.run, 'last', last?.entry)
  return isRight ? [claim.first, claim.last + 1] : all
}

function fits({ source, job, type, at, data }: LogEntry, filter: AuditFilter): boolean {
  return (
    (filter.run === null || isOfRun(source, filter.run)) &&
    (filter.job === null || job === filter.job) &&
    (filter.type === null || isOfType(type, filter.type)) &&
    (filter.since === null || at >= filter.since) &&
    // A day, or a minute, is over when the next one begins
    (filter.until === null || at.slice(0, filter.until.length) <= filter.until) &&
    (filter.secret === null || isAboutSecret(type, data, filter.secret)) &&
    (filter.host === null || isAbout(data, filter.host))
  )
}

/** What the host's logs say while it ran is beside the run's own source. */
function isOfRun(source: string, run: string): boolean {
  return source.startsWith(`run/${run}`) || source.startsWith(`host/${run}`)
}

/** `host.*`: every type of that area. */
function isOfType(type: string, wanted: string): boolean {
  return wanted.endsWith('.*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted
}

/** A step that is handed it, and what the broker and the operator's commands say of it. */
function isAboutSecret(type: string, data: LogEntry['data'], secret: string): boolean {
  const handed = data?.['secrets']
  return (Array.isArray(handed) && handed.includes(secret)) || (type.startsWith('secret.') && data?.['name'] === secret)
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
