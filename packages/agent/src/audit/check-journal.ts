// SPDX-License-Identifier: Apache-2.0
import { encodeEntry, JOB_CLOSED, type LogEntry, SOURCE_CLOSED, SOURCE_OPENED } from '@sallyport/audit-log'
import type { EventEnvelope } from '@sallyport/core'
import { type PayloadStore, type StoredRun, StoreError } from '@sallyport/store'
import type { ShownEntry } from './contract.ts'
import type { CheckedPayload } from './retention-contract.ts'
import { entryOfEvent } from './run-entries.ts'

/** Entries of a run's source that stand for no event of its journal. */
const BETWEEN: readonly string[] = [SOURCE_OPENED, JOB_CLOSED, SOURCE_CLOSED]

/** `index`: of the first entry of the run that its journal does not agree with; of the last one where it agrees. */
export type JournalState = Pick<CheckedPayload, 'index' | 'bytes'> & { readonly state: 'kept' | 'different' | 'gone' }

/**
 * The journal of a run, from which `runs show` and `access learn` read, beside the run's entries: every entry has its event, and no event is without
 * an entry, unless the run was cut off before it came there.
 */
export class JournalCheck {
  readonly #journal: AsyncIterator<EventEnvelope> | null
  readonly #payloads: PayloadStore
  #state: JournalState | null = null
  #isClosed = false

  /** `run`: its record, if there is one. */
  constructor(run: StoredRun | null, payloads: PayloadStore) {
    this.#journal = run === null ? null : run.events()[Symbol.asyncIterator]()
    this.#payloads = payloads
  }

  /** Entries of the run's source, in order. */
  async add({ index, entry }: ShownEntry): Promise<void> {
    this.#isClosed ||= entry.type === SOURCE_CLOSED
    const { state = 'kept', bytes = 0 } = this.#state ?? {}
    if (BETWEEN.includes(entry.type) || state !== 'kept') return
    const event = this.#journal === null ? 'gone' : await nextOf(this.#journal)
    if (event === 'gone') this.#state = { index, bytes, state: 'gone' }
    else if (typeof event === 'string' || !(await standsFor(entry, event, this.#payloads)))
      this.#state = { index, bytes, state: 'different' }
    else this.#state = { index, bytes: bytes + Buffer.byteLength(JSON.stringify(event)) + 1, state: 'kept' }
  }

  /** After the last of them; null where no entry stands for an event. */
  async end(): Promise<JournalState | null> {
    const state = this.#state
    const isFollowed = state?.state === 'kept' && this.#isClosed && this.#journal !== null && (await nextOf(this.#journal)) !== 'end'
    await this.#journal?.return?.()
    return isFollowed ? { ...state, state: 'different' } : state
  }
}

/** Of another sequence, or no regular file: nothing that a run has written. */
const NO_JOURNAL: readonly string[] = ['STORE_CORRUPT', 'ELOOP', 'EISDIR', 'ENOTDIR', 'ENXIO']

/** `wrong`: a line that is no event, or is longer than any. */
async function nextOf(journal: AsyncIterator<EventEnvelope>): Promise<EventEnvelope | 'gone' | 'end' | 'wrong'> {
  try {
    const { value, done } = await journal.next()
    return done === true ? 'end' : value
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return 'gone'
    if (NO_JOURNAL.includes(code)) return 'wrong'
    throw error
  }
}

async function standsFor(entry: LogEntry, event: EventEnvelope, payloads: PayloadStore): Promise<boolean> {
  const { v, source, seq, private: commitment } = entry
  const { entry: expected, text, encoded } = entryOfEvent(event, (facts) => ({ ...facts, v, source, seq }))
  if (encoded !== null) return isSame(encoded, encodeEntry(entry))
  if (commitment === undefined || !isSame(encodeEntry({ ...expected, private: commitment }), encodeEntry(entry))) return false
  return (await textOf(payloads, commitment)) === text
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Null where it is not there, or not what the log commits to: that has a line of its own. */
async function textOf(payloads: PayloadStore, commitment: NonNullable<LogEntry['private']>): Promise<string | null> {
  try {
    return Buffer.concat(await Array.fromAsync(payloads.read(commitment))).toString()
  } catch (error) {
    if (error instanceof StoreError) return null
    throw error
  }
}
