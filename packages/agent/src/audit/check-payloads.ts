// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import { type Commitment, type LogEntry, SOURCE_CLOSED, SOURCE_OPENED } from '@sallyport/audit-log'
import { createRunStore, type EntryRange, PayloadStore, type RunStore, type StoredRun, StoreError } from '@sallyport/store'
import { auditPlaces } from './audit-places.ts'
import { LOG_SOURCE } from './change-scan.ts'
import { JournalCheck, type JournalState } from './check-journal.ts'
import type { RetentionClass, ShownEntry } from './contract.ts'
import { locateLog } from './located-log.ts'
import { findLoggedRun } from './logged-run.ts'
import type { CheckedPayload } from './retention-contract.ts'
import { entriesOf } from './run-range.ts'
import { visibleLog } from './visible-log.ts'

/** So many runs whose end was not read yet; those that were killed have none. */
const OPEN_RUNS_MAX = 256

/** `prefix`: of a run's id; null: of all that the log is about. */
export async function* checkLoggedPayloads(stateDirectory: string, prefix: string | null): AsyncGenerator<CheckedPayload> {
  const source = prefix === null ? null : `run/${await findLoggedRun(stateDirectory, prefix)}`
  const log = await locateLog({ stateDirectory, directory: null, key: null })
  const visible = await visibleLog(log)
  const entries = (): AsyncIterable<ShownEntry> => entriesOf(visible.source, visible.size, log.minimumIndex)
  yield* checkPayloads(stateDirectory, entries, source)
}

/**
 * What lies beside the log, compared with the commitments in it, and the journals of runs with their entries: of one source, or of all. `entries` is read
 * twice, since what was erased is said later than what it was; what is remembered are the sources that something was erased of.
 */
export async function* checkPayloads(
  stateDirectory: string,
  entries: () => AsyncIterable<ShownEntry>,
  source: string | null,
): AsyncGenerator<CheckedPayload> {
  const erasures = await readErasures(entries(), source)
  const beside = new Beside(stateDirectory)
  const erases = (of: string, kept: RetentionClass, at: string): boolean =>
    (erasures.get(of) ?? []).some((erasure) => covers(erasure, kept, at))
  for await (const shown of entries()) {
    const { index, entry } = shown
    if (source !== null && entry.source !== source) continue
    const { began, journals } = await beside.follow(shown)
    if (entry.private !== undefined) {
      const kept = classOf(entry)
      const { type, source: of, job = null, step = null } = entry
      const found = await beside.check(entry, entry.private, { first: began.index, last: index })
      // What is of one run goes together.
      const state = stateOf(found, () => erases(of, kept, began.at))
      yield {
        index,
        source: of,
        type: type === SOURCE_CLOSED ? 'document' : type,
        job,
        step,
        class: kept,
        bytes: entry.private.bytes,
        state,
      }
    }
    for (const journal of journals) yield journalRow(journal, erases)
  }
  for (const journal of await beside.rest()) yield journalRow(journal, erases)
}

interface CheckedJournal extends JournalState {
  readonly source: string
  /** When its first entry was made. */
  readonly at: string
}

function journalRow(
  { source, index, bytes, state, at }: CheckedJournal,
  erases: (source: string, kept: RetentionClass, at: string) => boolean,
): CheckedPayload {
  return {
    index,
    source,
    type: 'journal',
    job: null,
    step: null,
    class: 'record',
    bytes,
    state: stateOf(state, () => erases(source, 'record', at)),
  }
}

function stateOf(found: CheckedState, isErased: () => boolean): CheckedPayload['state'] {
  if (found !== 'gone') return found
  return isErased() ? 'erased' : 'missing'
}

type CheckedState = 'kept' | 'different' | 'unlogged' | 'gone'

/** The first entry of a source. */
interface Beginning {
  readonly at: string
  /** Null: where it stands is not to be told from what is left of the log. */
  readonly index: number | null
}

/** A run says where it stands when it has its end in the log: it waits for who publishes, and for witnesses. */
const ENDING_MS = 20_000
const LOOK_AGAIN_MS = 100

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

function covers({ classes, before }: LoggedErasure, kept: RetentionClass, at: string): boolean {
  const isOfClass = classes.includes(kept) || (kept === 'output' && classes.includes('record'))
  // A run goes as a whole, by when it began
  return isOfClass && (before === null || kept === 'output' || (typeof before === 'string' && at < before))
}

class Beside {
  /** Of runs that have begun and not ended, by source. */
  readonly #journals = new Map<string, Beginning & { readonly check: JournalCheck }>()
  readonly #ended = new Set<string>()
  readonly #payloads: PayloadStore
  readonly #store: RunStore
  #run: { readonly source: string; readonly stored: StoredRun | null } | null = null

  constructor(stateDirectory: string) {
    this.#payloads = new PayloadStore(auditPlaces(stateDirectory).log)
    this.#store = createRunStore(stateDirectory)
  }

  async check(entry: LogEntry, commitment: Commitment, place: EntryRange): Promise<CheckedState> {
    if (entry.type !== 'step.log' && entry.type !== SOURCE_CLOSED) return this.#checkPayload(commitment)
    const stored = await (entry.type === 'step.log' ? this.#open(entry.source) : this.#openEnded(entry.source))
    if (stored === null) return 'gone'
    return entry.type === 'step.log' ? stored.checkOutput(rangeOf(entry.data ?? {}), commitment) : stored.checkDocument(commitment, place)
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

  /** Where the source of an entry began, and the journals of runs whose entries end here. */
  async follow(shown: ShownEntry): Promise<{ readonly began: Beginning; readonly journals: CheckedJournal[] }> {
    const { source, type, at, seq } = shown.entry
    const here = { at, index: seq === 1 ? shown.index : null }
    if (!source.startsWith('run/') || this.#ended.has(source)) return { began: here, journals: [] }
    const open = this.#journals.get(source) ?? { ...here, check: await this.#checkOf(source) }
    this.#journals.set(source, open)
    await open.check.add(shown)
    const oldest = this.#journals.size > OPEN_RUNS_MAX ? this.#journals.keys().next().value : undefined
    // Of one that was cut off, what comes this late is not compared
    if (oldest !== undefined) this.#ended.add(oldest)
    const ending = [...(type === SOURCE_CLOSED ? [source] : []), ...(oldest === undefined ? [] : [oldest])]
    return { began: open, journals: await this.#end(ending) }
  }

  /** Of runs that have no end. */
  rest(): Promise<CheckedJournal[]> {
    return this.#end([...this.#journals.keys()])
  }

  async #end(sources: readonly string[]): Promise<CheckedJournal[]> {
    const ended: CheckedJournal[] = []
    for (const source of sources) {
      const open = this.#journals.get(source)
      this.#journals.delete(source)
      const state = (await open?.check.end()) ?? null
      if (open !== undefined && state !== null) ended.push({ ...state, source, at: open.at })
    }
    return ended
  }

  async #checkOf(source: string): Promise<JournalCheck> {
    return new JournalCheck(await this.#openRun(source.slice('run/'.length)), this.#payloads)
  }

  /** The entries of a run follow each other. */
  async #open(source: string): Promise<StoredRun | null> {
    if (this.#run?.source !== source) this.#run = { source, stored: await this.#openRun(source.slice('run/'.length)) }
    return this.#run.stored
  }

  /** One that its process has not ended yet is given time. */
  async #openEnded(source: string): Promise<StoredRun | null> {
    const id = source.slice('run/'.length)
    for (const deadline = performance.now() + ENDING_MS; ; await sleep(LOOK_AGAIN_MS)) {
      const stored = await this.#openRun(id)
      if (stored?.state !== 'running' || performance.now() > deadline) return stored
    }
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
