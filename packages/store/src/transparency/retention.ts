// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { decodeEntries, entriesPath, type LogEntry, parseEntry, TILE_WIDTH, type TileSource, tileWidth } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const HOLDS_BYTES_MAX = 4 * 2 ** 20

/** Days that each class is kept. What has no class here is kept for ever. */
export interface RetentionPolicy {
  readonly keepDays: Readonly<Record<string, number>>
  /** Of an entry. */
  classOf(entry: LogEntry): string
}

/** Keeps whatever fits to all of it that is not null, however old it is; without any, everything. */
export interface LegalHold {
  readonly id: string
  readonly reason: string
  readonly source: string | null
  readonly class: string | null
  /** ISO 8601, or a beginning of it. */
  readonly since: string | null
  /** The same; what begins with it is held, too. */
  readonly until: string | null
}

/** What is kept or let go of. */
export interface RetainedThing {
  readonly class: string
  readonly at: string
  /** What took its time is held when any of that is; without, it is of one moment. */
  readonly endedAt?: string
  readonly source: string
}

export interface Retention {
  readonly policy: RetentionPolicy
  readonly holds: readonly LegalHold[]
  readonly now: Date
}

/** The first hold that keeps it. */
export function holdOn(thing: RetainedThing, holds: readonly LegalHold[]): LegalHold | null {
  return holds.find((hold) => holdsThing(hold, thing)) ?? null
}

function holdsThing({ source, class: held, since, until }: LegalHold, thing: RetainedThing): boolean {
  return (
    (source === null || source === thing.source) &&
    (held === null || held === thing.class) &&
    (since === null || (thing.endedAt ?? thing.at) >= since) &&
    (until === null || thing.at.slice(0, until.length) <= until)
  )
}

/** Whether its time is over; who holds it is another question. */
export function isDue(thing: RetainedThing, { policy, now }: Pick<Retention, 'policy' | 'now'>): boolean {
  const days = Object.hasOwn(policy.keepDays, thing.class) ? policy.keepDays[thing.class] : undefined
  return days !== undefined && now.getTime() - Date.parse(thing.at) > days * DAY_MS
}

/** The holds on a log, in a file of its directory. Whoever changes them says so in the log, too. */
export class LegalHolds {
  readonly #path: string

  constructor(directory: string) {
    this.#path = join(resolve(directory), 'holds.json')
  }

  async list(): Promise<readonly LegalHold[]> {
    const bytes = await readWhole(this.#path, HOLDS_BYTES_MAX)
    const holds = bytes === null ? [] : parseHolds(bytes.toString())
    // Without its holds, nothing of the log may be given up
    if (holds === null) throw new StoreError('STORE_CORRUPT', `Cannot read "${this.#path}": it is no list of legal holds`)
    return holds
  }

  async replace(holds: readonly LegalHold[]): Promise<void> {
    await writeFileDurably(this.#path, `${JSON.stringify(holds, null, 2)}\n`)
  }
}

function parseHolds(text: string): LegalHold[] | null {
  try {
    const holds: unknown = JSON.parse(text)
    return Array.isArray(holds) && holds.every(isHold) ? holds : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

const HOLD_PROPERTIES: ReadonlySet<string> = new Set(['id', 'reason', 'source', 'class', 'since', 'until'])

export function isHold(value: unknown): value is LegalHold {
  if (typeof value !== 'object' || value === null || !Object.keys(value).every((name) => HOLD_PROPERTIES.has(name))) return false
  const { id, reason, ...selection } = value as Record<string, unknown>
  const isTextOrNull = (name: string): boolean => selection[name] === null || typeof selection[name] === 'string'
  return typeof id === 'string' && typeof reason === 'string' && ['source', 'class', 'since', 'until'].every(isTextOrNull)
}

/**
 * Up to where the published log of `size` entries, from `minimumIndex` on, may be pruned: before the first entry that is to be kept. A multiple of
 * 256, since only full bundles go.
 */
export async function prunableIndex(
  { source, size, minimumIndex }: { readonly source: TileSource; readonly size: number; readonly minimumIndex: number },
  retention: Retention,
): Promise<number> {
  let index = minimumIndex
  for (let bundle = minimumIndex / TILE_WIDTH; tileWidth(size, 0, bundle) === TILE_WIDTH; bundle += 1) {
    const path = entriesPath({ index: bundle, width: TILE_WIDTH })
    const bytes = await source.read(path)
    if (bytes === null) throw new StoreError('STORE_CORRUPT', `Cannot prune the log: "${path}" is missing`)
    const isKept = decodeEntries(bytes).some((entry) => !isEntryExpired(entry, retention))
    if (isKept) break
    index += TILE_WIDTH
  }
  return index
}

function isEntryExpired(bytes: Uint8Array, retention: Retention): boolean {
  const entry = parseEntry(bytes)
  const thing = { class: retention.policy.classOf(entry), at: entry.at, source: entry.source }
  return isDue(thing, retention) && holdOn(thing, retention.holds) === null
}
