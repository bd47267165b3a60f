// SPDX-License-Identifier: Apache-2.0
import { type Commitment, type LogEntry, SOURCE_OPENED } from '@sallyport/audit-log'
import { createRunStore, PayloadStore, type RunStore, type StoredRun, StoreError } from '@sallyport/store'
import { auditPlaces } from './audit-places.ts'
import { LOG_SOURCE } from './change-scan.ts'
import type { RetentionClass, ShownEntry } from './contract.ts'
import { locateLog } from './located-log.ts'
import { findLoggedRun } from './logged-run.ts'
import type { CheckedPayload } from './retention-contract.ts'
import { entriesOf } from './run-range.ts'
import { visibleLog } from './visible-log.ts'

export async function checkRunPayloads(stateDirectory: string, prefix: string): Promise<readonly CheckedPayload[]> {
  const source = `run/${await findLoggedRun(stateDirectory, prefix)}`
  const log = await locateLog({ stateDirectory, directory: null, key: null })
  const visible = await visibleLog(log)
  const entries = (): AsyncIterable<ShownEntry> => entriesOf(visible.source, visible.size, log.minimumIndex)
  return Array.fromAsync(checkPayloads(stateDirectory, entries, source))
}

/**
 * What lies beside the log, compared with the commitments in it: of one source, or of all. `entries` is read twice, since what was erased is said later
 * than what it was; what is remembered are the sources that something was erased of.
 */
export async function* checkPayloads(
  stateDirectory: string,
  entries: () => AsyncIterable<ShownEntry>,
  source: string | null,
): AsyncGenerator<CheckedPayload> {
  const erasures = await readErasures(entries(), source)
  const beside = new Beside(stateDirectory)
  for await (const { index, entry } of entries()) {
    if (entry.private === undefined || (source !== null && entry.source !== source)) continue
    const kept = classOf(entry)
    const found = await beside.check(entry, entry.private)
    const isErased = found === 'gone' && (erasures.get(entry.source) ?? []).some((erasure) => covers(erasure, kept, entry))
    const state = found === 'gone' ? (isErased ? 'erased' : 'missing') : found
    const { type, job = null, step = null } = entry
    yield { index, type, job, step, class: kept, bytes: entry.private.bytes, state }
  }
}

function classOf({ type, source }: LogEntry): RetentionClass {
  if (type === 'step.log') return 'output'
  return type === SOURCE_OPENED || source === LOG_SOURCE ? 'caller' : 'record'
}

interface LoggedErasure {
  readonly classes: readonly unknown[]
  readonly before: unknown
}

/** By source. An entry may hold anything: what is not as we write it says nothing. */
async function readErasures(
  entries: AsyncIterable<ShownEntry>,
  wanted: string | null,
): Promise<ReadonlyMap<string, readonly LoggedErasure[]>> {
  const erasures = new Map<string, LoggedErasure[]>()
  for await (const { entry } of entries) {
    if (entry.source !== LOG_SOURCE || entry.type !== 'payload.erased') continue
    const { sources, classes, before } = entry.data ?? {}
    if (!Array.isArray(sources) || !Array.isArray(classes)) continue
    for (const source of sources)
      if (typeof source === 'string' && (wanted === null || source === wanted))
        erasures.set(source, [...(erasures.get(source) ?? []), { classes, before }])
  }
  return erasures
}

function covers({ classes, before }: LoggedErasure, kept: RetentionClass, { at }: LogEntry): boolean {
  const isOfClass = classes.includes(kept) || (kept === 'output' && classes.includes('record'))
  // A run goes as a whole, by when it began
  return isOfClass && (before === null || kept === 'output' || (typeof before === 'string' && at < before))
}

class Beside {
  readonly #payloads: PayloadStore
  readonly #store: RunStore
  #run: { readonly source: string; readonly stored: StoredRun | null } | null = null

  constructor(stateDirectory: string) {
    this.#payloads = new PayloadStore(auditPlaces(stateDirectory).log)
    this.#store = createRunStore(stateDirectory)
  }

  async check(entry: LogEntry, commitment: Commitment): Promise<'kept' | 'different' | 'gone'> {
    if (entry.type !== 'step.log') return this.#checkPayload(commitment)
    const stored = await this.#open(entry.source)
    return stored === null ? 'gone' : stored.checkOutput(rangeOf(entry.data ?? {}), commitment)
  }

  async #checkPayload(commitment: Commitment): Promise<'kept' | 'different' | 'gone'> {
    try {
      for await (const _chunk of this.#payloads.read(commitment));
      return 'kept'
    } catch (error) {
      if (error instanceof StoreError && error.code === 'PAYLOAD_ERASED') return 'gone'
      if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return 'different'
      throw error
    }
  }

  /** The entries of a run follow each other. */
  async #open(source: string): Promise<StoredRun | null> {
    if (this.#run?.source !== source) this.#run = { source, stored: await this.#openRun(source.slice('run/'.length)) }
    return this.#run.stored
  }

  async #openRun(id: string): Promise<StoredRun | null> {
    try {
      return await this.#store.open(id)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'RUN_NOT_FOUND') return null
      throw error
    }
  }
}

function rangeOf({ file, from, to, piece }: NonNullable<LogEntry['data']>): Parameters<StoredRun['checkOutput']>[0] {
  return { file: String(file), from: Number(from), to: Number(to), piece: Number(piece) }
}
