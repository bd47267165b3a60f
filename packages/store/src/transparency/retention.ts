// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { decodeEntries, entriesPath, type LogEntry, parseEntry, TILE_WIDTH, type TileSource, tileWidth } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import type { PayloadStore } from './payload-store.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const HOLDS_BYTES_MAX = 4 * 2 ** 20

/** Days that each class is kept. What has no class here is kept for ever. */
export interface RetentionPolicy {
  readonly keepDays: Readonly<Record<string, number>>
  /** Of an entry. */
  classOf(entry: LogEntry): string
}

/** Keeps whatever fits to it, however old it is: everything, or a source's, or a job's. */
export interface LegalHold {
  readonly id: string
  readonly reason: string
  readonly source: string | null
  readonly job: string | null
}

/** Whether it is time to let go of something, and nobody holds it. */
export function isExpired(
  thing: { readonly class: string; readonly at: string; readonly source: string; readonly job: string | null },
  { policy, holds, now }: { readonly policy: RetentionPolicy; readonly holds: readonly LegalHold[]; readonly now: Date },
): boolean {
  const days = Object.hasOwn(policy.keepDays, thing.class) ? policy.keepDays[thing.class] : undefined
  const isOld = days !== undefined && now.getTime() - Date.parse(thing.at) > days * DAY_MS
  return isOld && !holds.some((hold) => (hold.source ?? thing.source) === thing.source && (hold.job ?? thing.job) === thing.job)
}

/** The holds on a log, in a file of its directory. Each change belongs into the log, too. */
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

  async place(hold: LegalHold): Promise<void> {
    const others = (await this.list()).filter(({ id }) => id !== hold.id)
    await this.#write([...others, hold])
  }

  /** False when there is none of this id. */
  async release(id: string): Promise<boolean> {
    const holds = await this.list()
    const others = holds.filter((hold) => hold.id !== id)
    if (others.length < holds.length) await this.#write(others)
    return others.length < holds.length
  }

  async #write(holds: readonly LegalHold[]): Promise<void> {
    await writeFileDurably(this.#path, `${JSON.stringify(holds, null, 2)}\n`)
  }
}

function parseHolds(text: string): LegalHold[] | null {
  const holds: unknown = JSON.parse(text)
  return Array.isArray(holds) && holds.every(isHold) ? holds : null
}

function isHold(value: unknown): value is LegalHold {
  if (typeof value !== 'object' || value === null) return false
  const { id, reason, source, job } = value as Record<string, unknown>
  const isNameOrNull = (name: unknown): boolean => name === null || typeof name === 'string'
  return typeof id === 'string' && typeof reason === 'string' && isNameOrNull(source) && isNameOrNull(job)
}

export interface Retention {
  readonly policy: RetentionPolicy
  readonly holds: readonly LegalHold[]
  readonly now: Date
}

/** Erases the payloads whose time is over. Answers with their commitments, for the log. */
export async function expirePayloads(payloads: PayloadStore, retention: Retention): Promise<string[]> {
  const erased: string[] = []
  for await (const { commitment, about } of payloads.list()) {
    if (isExpired(about, retention) && (await payloads.erase(commitment))) erased.push(commitment)
  }
  return erased
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
  const { at, source, job = null } = entry
  return isExpired({ class: retention.policy.classOf(entry), at, source, job }, retention)
}
