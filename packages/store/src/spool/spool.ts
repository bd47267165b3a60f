// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ENTRY_BYTES_MAX } from '@sallyport/audit-log'
import { readWhole, syncDirectory, writeFileDurably } from '../durable-file.ts'
import { lockExclusively } from '../exclusive-lock.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { StoreError } from '../store-error.ts'
import { type Entries, encodeFrame, entriesFrom, FRAME_HEADER_BYTES, LENGTH_BYTES } from '../transparency/frame.ts'
import { readFrames } from '../transparency/frame-file.ts'
import { findPending, PendingEntries } from '../transparency/pending-entries.ts'
import { RECORDS_MAX, type Shipment, type Transport } from './contract.ts'

/** A file is removed when the last record in it has arrived. */
const SEGMENT_BYTES = 2 ** 20
const STATE_BYTES_MAX = 1024
/** Of one call, which is one shipment. */
const SPOOLED_BYTES_MAX = 4 * 2 ** 20
const RETRY_MS = { first: 100, most: 30_000 } as const

export interface SpoolOptions {
  readonly source: string
  /** Of records that wait; beyond it they are lost, and counted. */
  readonly bytesMax: number
}

/** What the disk has to remember beyond the records. */
interface SpoolState {
  /** Everything before it has arrived. */
  readonly sent: number
  /** At least this is the next record's number: those before it are in the files, or lost. */
  readonly next: number
}

/**
 * Records on their way to a receiver that may be away for a while. Every record gets the next sequence number, also one that there is no room for:
 * the receiver sees the gap. Calls of `append` must not overlap, nor those of `ship`.
 */
export class Spool implements AsyncDisposable {
  readonly #options: SpoolOptions
  readonly #statePath: string
  readonly #pending: PendingEntries
  readonly #lock: AsyncDisposable
  #sent: number
  #next: number
  #lost = 0
  #failure: StoreError | null = null
  #wake: () => void = () => undefined

  private constructor(
    directory: string,
    { options, state, pending, lock }: { options: SpoolOptions; state: SpoolState; pending: PendingEntries; lock: AsyncDisposable },
  ) {
    this.#options = options
    this.#statePath = statePath(directory)
    this.#pending = pending
    this.#lock = lock
    this.#sent = state.sent
    this.#next = state.next
  }

  /** @throws StoreError LOG_LOCKED while another process writes it */
  static async open(directory: string, options: SpoolOptions): Promise<Spool> {
    const records = join(resolve(directory), 'records')
    await makePrivateDirectory(records)
    await syncDirectory(directory) // Perhaps a process made it that did not come to this.
    const lock = await lockExclusively(join(directory, 'lock'), 0)
    if (lock === null) throw new StoreError('LOG_LOCKED', `Cannot write to the spool "${directory}": another process does`)
    try {
      const state = await readState(statePath(directory))
      const left = await findPending(records)
      const segments = []
      let next = state.next
      for (const path of left.paths) {
        const segment = { path, ...(await measure(path)) }
        segments.push(segment)
        next = Math.max(next, segment.end)
      }
      return new Spool(directory, { options, state: { ...state, next }, pending: new PendingEntries(records, left.number, segments), lock })
    } catch (error) {
      await lock.close()
      throw error
    }
  }

  /** Records that there was no room for, since it was opened. */
  get lost(): number {
    return this.#lost
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
   * Resolves when the records are durable, or counted as lost; false in that case. A failure of the disk is final.
   * @throws StoreError EVENT_TOO_LARGE, and nothing has happened
   */
  async append(records: readonly Uint8Array[]): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure
    assertRecords(records)
    const { frame } = encodeFrame(this.#next, records)
    this.#next += records.length
    if (this.bytes + frame.byteLength > this.#options.bytesMax) {
      this.#lost += records.length
      await this.#writeState() // The numbers are taken, also over a crash.
      return false
    }
    await this.#pending.append(frame, this.#next).catch((error: unknown) => this.#fail(error))
    if (this.#pending.bytes >= SEGMENT_BYTES) this.#pending.rotate()
    this.#wake()
    return true
  }

  /** Behind a frame that may be there or not, none can be written: opening it again finds out. */
  #fail(error: unknown): never {
    this.#failure ??= StoreError.from(`Cannot write to the spool of "${this.#options.source}"`, error)
    throw this.#failure
  }

  /** Brings everything to the receiver, and what is appended later, until the signal; tries again for ever when it is away. */
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
        if (error instanceof StoreError) throw error
        if (this.#sent > before) waitMs = RETRY_MS.first
        await sleep(waitMs, undefined, { signal }).catch(() => undefined) // The signal, which the loop sees.
        waitMs = Math.min(waitMs * 2, RETRY_MS.most)
      }
    }
  }

  /** What is there now; false when that is nothing. */
  async #shipSome(transport: Transport, signal: AbortSignal): Promise<boolean> {
    const before = this.#sent
    for (const { path, end } of this.#pending.segments) {
      if (end <= this.#sent) continue
      for await (const frame of readFrames(path, () => undefined)) {
        const entries = entriesFrom(frame, this.#sent)
        if (entries.ends.length === 0) continue
        if (signal.aborted) return true
        await this.#arrived(await transport(shipmentOf(this.#options.source, entries)))
      }
    }
    if (this.#sent > before) await this.#settle()
    return this.#sent > before
  }

  async #arrived(next: number): Promise<void> {
    // It may know more than we do, after a crash of ours; never less than it has said, and never what we have not said
    if (!Number.isSafeInteger(next) || next < this.#sent || next > this.#next) throw new RangeError(`no receiver waits for ${next}`)
    this.#sent = next
    if (this.#pending.segments.some(({ end }) => end <= next)) await this.#settle()
  }

  /** First what has arrived is remembered, then the files go. */
  async #settle(): Promise<void> {
    await this.#writeState()
    if (this.#pending.segments.at(-1)?.end === this.#sent) this.#pending.rotate()
    await this.#pending.drop(this.#sent)
  }

  async #writeState(): Promise<void> {
    const state: SpoolState = { sent: this.#sent, next: this.#next }
    await writeFileDurably(this.#statePath, JSON.stringify(state), `${this.#statePath}.new`).catch((error: unknown) => this.#fail(error))
  }

  #untilAppended(signal: AbortSignal): Promise<void> {
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
      await this.#lock[Symbol.asyncDispose]()
    }
  }
}

function assertRecords(records: readonly Uint8Array[]): void {
  const bytes = records.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const longest = records.reduce((most, { byteLength }) => Math.max(most, byteLength), 0)
  if (records.length === 0 || records.length > RECORDS_MAX) throw new TypeError(`${records.length} records are not spooled at a time`)
  if (longest > ENTRY_BYTES_MAX || bytes > SPOOLED_BYTES_MAX)
    throw new StoreError('EVENT_TOO_LARGE', `Cannot spool ${bytes} bytes at a time, the longest record of ${longest} bytes`)
}

function statePath(directory: string): string {
  return join(resolve(directory), 'state.json')
}

async function readState(path: string): Promise<SpoolState> {
  const bytes = await readWhole(path, STATE_BYTES_MAX)
  if (bytes === null) return { sent: 1, next: 1 }
  const { sent, next } = JSON.parse(bytes.toString()) as Partial<SpoolState>
  if (Number.isSafeInteger(sent) && Number.isSafeInteger(next)) return { sent: sent as number, next: next as number }
  throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": it does not say what has arrived`)
}

async function measure(path: string): Promise<{ bytes: number; end: number }> {
  let [bytes, end] = [0, 0]
  for await (const frame of readFrames(path, () => undefined)) {
    bytes += FRAME_HEADER_BYTES + frame.bytes.byteLength
    end = frame.first + frame.ends.length
  }
  return { bytes, end }
}

function shipmentOf(source: string, { first, bytes, ends }: Entries): Shipment {
  return { source, first, records: ends.map((end, index) => bytes.subarray((ends[index - 1] ?? 0) + LENGTH_BYTES, end)) }
}
