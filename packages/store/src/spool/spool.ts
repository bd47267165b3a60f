// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ENTRY_BYTES_MAX, leafHash } from '@sallyport/audit-log'
import { messageOf } from '@sallyport/core'
import { syncDirectory } from '../durable-file.ts'
import { lockExclusively } from '../exclusive-lock.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { StoreError } from '../store-error.ts'
import { type Entries, encodeFrame, entriesFrom, FRAME_HEADER_BYTES, LENGTH_BYTES } from '../transparency/frame.ts'
import { readFrames } from '../transparency/frame-file.ts'
import { findPending, PendingEntries } from '../transparency/pending-entries.ts'
import { RECORDS_MAX, type Receipt, type RecordLink, SHIPMENT_BYTES_MAX, type Shipment, type Transport } from './contract.ts'
import { type SpoolState, SpoolStateFile } from './spool-state.ts'

/** A file is removed when the last record in it has arrived. */
const SEGMENT_BYTES = 2 ** 20
const RETRY_MS = { first: 100, most: 30_000 } as const
/** What a receiver may ask for at most. */
const RETRY_AFTER_MS_MAX = 300_000
/** A receiver that waits for more makes fun of us: nobody comes to so many records. */
const NUMBER_MAX = 2 ** 52
const NAME = /^[a-z0-9][a-z0-9._/-]{0,199}$/

export interface SpoolOptions {
  /** Names the source to its receiver: lower-case words. */
  readonly name: string
  /** Of records that wait; beyond it they are lost, and counted. */
  readonly bytesMax: number
}

/** What its owner is to look at. */
export interface SpoolCounts {
  /** Numbers whose records never come: there was no room for them, or the receiver has others under these numbers. */
  readonly lost: number
  /** Records that the receiver did not take. */
  readonly refused: number
  /** How often the receiver knew of records of this spool that it does not have itself: its directory was put back, or copied. */
  readonly rewound: number
}

interface SpoolParts {
  readonly options: SpoolOptions
  readonly state: SpoolState
  readonly file: SpoolStateFile
  readonly pending: PendingEntries
  readonly lock: AsyncDisposable
}

/** A shipment did not arrive, or nobody knows. */
class BrokenLine extends Error {}

/**
 * Records on their way to a receiver that may be away for a while. Every record gets the next sequence number, also one that there is no room for:
 * the receiver sees the gap. Calls of `append` must not overlap, nor those of `ship`.
 */
export class Spool implements AsyncDisposable {
  /** `NAME/ID`: what the records name as their source. Another one once the directory was lost. */
  readonly source: string
  readonly #options: SpoolOptions
  readonly #id: string
  readonly #stateFile: SpoolStateFile
  readonly #pending: PendingEntries
  readonly #lock: AsyncDisposable
  #sent: number
  #next: number
  /** Everything before it is durable here, or lost. */
  #known: number
  #previous: RecordLink | null
  #counts: SpoolCounts = { lost: 0, refused: 0, rewound: 0 }
  #trouble: string | null = null
  #failure: StoreError | null = null
  /** The last write of the state; no two overlap. Never rejects. */
  #writing: Promise<unknown> = Promise.resolve()
  #wake: () => void = () => undefined

  private constructor({ options, state, file, pending, lock }: SpoolParts) {
    this.#options = options
    this.#id = state.id
    this.source = `${options.name}/${state.id}`
    this.#stateFile = file
    this.#pending = pending
    this.#lock = lock
    this.#sent = state.sent
    this.#next = state.next
    this.#known = state.next
    this.#previous = state.previous
  }

  /** @throws StoreError LOG_LOCKED while another process writes it; STORE_CORRUPT */
  static async open(directory: string, options: SpoolOptions): Promise<Spool> {
    if (!NAME.test(options.name)) throw new TypeError(`"${options.name}" is no name of a spool`)
    const records = join(resolve(directory), 'records')
    await makePrivateDirectory(records)
    await syncDirectory(directory) // Perhaps a process made it that did not come to this.
    const lock = await lockExclusively(join(directory, 'lock'), 0)
    if (lock === null) throw new StoreError('LOG_LOCKED', `Cannot write to the spool "${directory}": another process does`)
    try {
      const { file, state, isNew } = await SpoolStateFile.open(join(resolve(directory), 'state'))
      try {
        const { pending, next } = await openRecords(records, state, isNew)
        return new Spool({ options, state: { ...state, next }, file, pending, lock })
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      await lock.close()
      throw StoreError.from(`Cannot open the spool "${directory}"`, error)
    }
  }

  /** Since it was opened. */
  get counts(): SpoolCounts {
    return this.#counts
  }

  /** Why the last shipment did not arrive; null once one did. */
  get trouble(): string | null {
    return this.#trouble
  }

  /** The number that the next record gets. */
  get next(): number {
    return this.#next
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#pending.segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /**
   * Resolves when the records are durable, or counted as lost; false in that case: there were `bytesMax`, or the disk was full. Every other failure of the disk is final.
   * @throws StoreError EVENT_TOO_LARGE, and nothing has happened
   */
  async append(records: readonly Uint8Array[]): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure
    assertRecords(records)
    const { frame } = encodeFrame(this.#next, records)
    this.#next += records.length
    const end = this.#next
    const hasRoom = this.bytes + frame.byteLength <= this.#options.bytesMax && (await this.#write(frame, end))
    if (!hasRoom) {
      this.#count({ lost: records.length })
      await this.#writeState() // The numbers are taken, also over a crash.
    } else if (this.#pending.bytes >= SEGMENT_BYTES) this.#pending.rotate()
    this.#known = Math.max(this.#known, end)
    this.#wake()
    return hasRoom
  }

  /** False when the disk is full, and nothing of the frame is there. */
  async #write(frame: Buffer, end: number): Promise<boolean> {
    try {
      await this.#pending.append(frame, end)
      return true
    } catch (error) {
      const failure = StoreError.from(`Cannot write to the spool of "${this.source}"`, error)
      if (failure.code !== 'STORE_FULL') this.#fail(failure)
      await this.#pending.undo().catch((again: unknown) => this.#fail(again))
      return false
    }
  }

  /** Behind a frame that may be there or not, none can be written: opening it again finds out. */
  #fail(error: unknown): never {
    this.#failure ??= StoreError.from(`Cannot write to the spool of "${this.source}"`, error)
    throw this.#failure
  }

  #count(more: Partial<SpoolCounts>): void {
    const { lost, refused, rewound } = this.#counts
    this.#counts = { lost: lost + (more.lost ?? 0), refused: refused + (more.refused ?? 0), rewound: rewound + (more.rewound ?? 0) }
  }

  /**
   * Brings everything to the receiver, and what is appended later, until the signal; tries again for ever when it is away.
   * @throws StoreError for the own disk
   */
  async ship(transport: Transport, signal: AbortSignal): Promise<void> {
    let waitMs: number = RETRY_MS.first
    while (!signal.aborted) {
      const before = this.#sent
      try {
        const isEmpty = !(await this.#shipSome(transport, signal))
        waitMs = RETRY_MS.first
        if (isEmpty) await this.#untilAppended(signal)
      } catch (error) {
        // What the own disk says is no break of the line
        if (!(error instanceof BrokenLine)) throw StoreError.from(`Cannot read the spool of "${this.source}"`, error)
        if (signal.aborted) return
        this.#trouble = error.message
        if (this.#sent > before) waitMs = RETRY_MS.first
        await sleep(Math.max(waitMs, retryAfterMs(error.cause)), undefined, { signal }).catch(() => undefined) // The signal, which the loop sees.
        waitMs = Math.min(waitMs * 2, RETRY_MS.most)
      }
    }
  }

  /** What is there now; false when that is nothing. */
  async #shipSome(transport: Transport, signal: AbortSignal): Promise<boolean> {
    const before = this.#sent
    for (const { path, end } of [...this.#pending.segments]) {
      if (end <= this.#sent) continue
      for await (const frame of readFrames(path, () => undefined)) {
        // What is not durable yet could be another record after a crash
        if (frame.first + frame.ends.length > end) break
        const entries = entriesFrom(frame, this.#sent)
        if (entries.ends.length === 0) continue
        if (signal.aborted) return true
        await this.#shipOne({ first: entries.first, records: recordsOf(entries) }, transport, signal)
      }
    }
    // What was lost at the end has no record behind it that would show the gap
    if (this.#sent < this.#known && !signal.aborted && !this.#pending.segments.some(({ end }) => end > this.#sent))
      await this.#shipOne({ first: this.#known, records: [] }, transport, signal)
    if (this.#sent > before) await this.#settle()
    return this.#sent > before
  }

  async #shipOne({ first, records }: Pick<Shipment, 'first' | 'records'>, transport: Transport, signal: AbortSignal): Promise<void> {
    const shipment = { source: this.source, first, previous: this.#previous, records }
    const { next, refused, reason } = await transport(shipment, signal)
      .then((receipt) => this.#believable(receipt))
      .catch((error: unknown) => {
        throw new BrokenLine(messageOf(error), { cause: error })
      })
    this.#trouble = reason === null ? null : `the receiver refused ${refused} records: ${reason}`
    this.#count({ refused: Math.min(refused, records.length) })
    if (next > this.#next) return await this.#rewound(next)
    if (next !== first + records.length) this.#previous = await this.#recordBefore(next)
    else if (records.length > 0) this.#previous = linkOf(next - 1, records.at(-1))
    this.#sent = next
    if (this.#pending.segments.some(({ end }) => end <= next)) await this.#settle()
  }

  /** It may know more than we do, after a crash of ours; never less than it has said. */
  #believable(receipt: Receipt): Receipt {
    const { next, refused } = receipt
    if (!Number.isSafeInteger(next) || next <= this.#sent || next > NUMBER_MAX) throw new RangeError(`no receiver waits for ${next}`)
    if (!Number.isSafeInteger(refused) || refused < 0) throw new RangeError(`no receiver refuses ${refused} records`)
    return receipt
  }

  /**
   * The receiver has more records of this spool than it ever had: its directory is an older copy. Ours have numbers that others have there, so that they cannot
   * come; what is appended from now on can, and the receiver sees from the link that it goes on from another past.
   */
  async #rewound(next: number): Promise<void> {
    this.#count({ lost: this.#next - this.#sent, rewound: 1 })
    this.#previous = await this.#recordBefore(this.#next)
    this.#sent = next
    this.#next = next
    this.#known = next
    await this.#settle()
  }

  /** The last one before that number among those that are still here. */
  async #recordBefore(number: number): Promise<RecordLink | null> {
    let link = this.#previous
    for (const { path, end: segmentEnd } of [...this.#pending.segments]) {
      for await (const frame of readFrames(path, () => undefined)) {
        const end = frame.first + frame.ends.length
        if (end > segmentEnd || frame.first >= number) break
        const last = Math.min(end, number) - 1
        link = linkOf(last, recordsOf(entriesFrom(frame, last))[0])
      }
    }
    return link
  }

  /** First what has arrived is remembered, then the files go. */
  async #settle(): Promise<void> {
    await this.#writeState()
    if ((this.#pending.segments.at(-1)?.end ?? 0) <= this.#sent) this.#pending.rotate()
    await this.#pending.drop(this.#sent)
  }

  #writeState(): Promise<void> {
    const result = this.#writing.then(async () => {
      const state = { id: this.#id, sent: this.#sent, next: this.#next, previous: this.#previous }
      await this.#stateFile.write(state).catch((error: unknown) => this.#fail(error))
    })
    this.#writing = result.catch(() => undefined) // Whoever called is told.
    return result
  }

  #untilAppended(signal: AbortSignal): Promise<void> {
    // Perhaps it came after we looked, and before anybody could be woken
    if (this.#known > this.#sent) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#wake = done
      signal.addEventListener('abort', done, { once: true })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // A number whose record failed was never given to anybody
      if (this.#failure === null) await this.#writeState()
    } finally {
      await this.#pending.close()
      await this.#stateFile.close()
      await this.#lock[Symbol.asyncDispose]()
    }
  }
}

/** The records that an earlier process left, and the number after the last one that was given away. */
async function openRecords(directory: string, state: SpoolState, isNew: boolean): Promise<{ pending: PendingEntries; next: number }> {
  const left = await findPending(directory)
  const segments = []
  let next = state.next
  for (const path of left.paths) {
    const segment = { path, ...(await measure(path)) }
    segments.push(segment)
    next = Math.max(next, segment.end)
  }
  if (isNew && next > 1)
    throw new StoreError('STORE_CORRUPT', `Cannot read the spool with "${directory}": its state is gone, and records are there`, {
      hint: 'Move the directory away: a new spool is a new source, and its receiver tells of the change',
    })
  return { pending: new PendingEntries(directory, left.number, segments), next }
}

function assertRecords(records: readonly Uint8Array[]): void {
  const bytes = records.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const longest = records.reduce((most, { byteLength }) => Math.max(most, byteLength), 0)
  if (records.length === 0 || records.length > RECORDS_MAX) throw new TypeError(`${records.length} records are not spooled at a time`)
  if (longest > ENTRY_BYTES_MAX || bytes > SHIPMENT_BYTES_MAX)
    throw new StoreError('EVENT_TOO_LARGE', `Cannot spool ${bytes} bytes at a time, the longest record of ${longest} bytes`)
}

async function measure(path: string): Promise<{ bytes: number; end: number }> {
  let [bytes, end] = [0, 0]
  for await (const frame of readFrames(path, () => undefined)) {
    bytes += FRAME_HEADER_BYTES + frame.bytes.byteLength
    end = frame.first + frame.ends.length
  }
  return { bytes, end }
}

function recordsOf({ bytes, ends }: Entries): Buffer[] {
  return ends.map((end, index) => bytes.subarray((ends[index - 1] ?? 0) + LENGTH_BYTES, end))
}

function linkOf(number: number, record: Uint8Array | undefined): RecordLink {
  return { number, hash: leafHash(record ?? new Uint8Array()) }
}

/** Untrusted: what the receiver asked for. */
function retryAfterMs(error: unknown): number {
  const asked = error instanceof Error && 'retryAfterMs' in error ? error.retryAfterMs : null
  return typeof asked === 'number' && asked > 0 ? Math.min(asked, RETRY_AFTER_MS_MAX) : 0
}
