// SPDX-License-Identifier: Apache-2.0
import type { Durable, EventEnvelope, RunEvent } from '@sallyport/core'
import type { DurableFile } from './durable-file.ts'
import { StoreError } from './store-error.ts'

/** One line of the journal. Larger than all that one event may carry, small enough to read back whole. */
export const EVENT_BYTES_MAX: number = 16 * 2 ** 20

/** One write; a burst of more is split so that no single buffer grows without bound. */
const BATCH_BYTES_MAX = 4 * 2 ** 20

interface Pending {
  readonly line: Buffer
  readonly seq: number
  readonly resolve: (durable: Durable) => void
  readonly reject: (error: StoreError) => void
}

/**
 * Appends with group commit: all that arrives while one write is on its way to the disk becomes the
 * next single write and fdatasync. The first failure is final, because after a failed fdatasync
 * nobody knows which pages reached the disk, and an event after a lost one would be a gap.
 */
export class JournalWriter {
  readonly #run: string
  readonly #file: DurableFile
  readonly #now: () => Date
  /** Resolves when the names of file and directory are durable; the first commit waits for it. */
  readonly #namesDurable: Promise<void>
  #pending: Pending[] = []
  #seq = 0
  #durableBytes = 0
  #failure: StoreError | null = null
  #flushing: Promise<void> | null = null

  constructor(run: string, file: DurableFile, now: () => Date, namesDurable: Promise<void>) {
    this.#run = run
    this.#file = file
    this.#now = now
    this.#namesDurable = namesDurable
    namesDurable.catch(() => undefined) // Reported by the first commit; a run without one lost nothing.
  }

  /** Gives the event its place at once; `onEvent` sees it before it is durable. */
  append(event: RunEvent, onEvent: ((event: EventEnvelope) => void) | null): Promise<Durable> {
    if (this.#failure !== null) return rejected(this.#failure)
    const { type, job, step, data } = event
    const names = { ...(job !== undefined && { job }), ...(step !== undefined && { step }) }
    const envelope: EventEnvelope = { seq: this.#seq + 1, run: this.#run, at: this.#now().toISOString(), type, ...names, data }
    const line = Buffer.from(`${JSON.stringify(envelope)}\n`)
    if (line.byteLength > EVENT_BYTES_MAX) {
      return rejected(
        this.#fail(new StoreError('EVENT_TOO_LARGE', `Cannot append a "${type}" event of ${line.byteLength} bytes to the journal`)),
      )
    }
    this.#seq += 1
    const { promise, resolve, reject } = Promise.withResolvers<Durable>()
    promise.catch(() => undefined) // Callers need not await; the failure meets the next one who does.
    this.#pending.push({ line, seq: envelope.seq, resolve, reject })
    this.#flushing ??= this.#flush()
    onEvent?.(envelope)
    return promise
  }

  /** Resolves when nothing is under way, also after a failure. */
  async drained(): Promise<void> {
    while (this.#flushing !== null) await this.#flushing
  }

  /** Idempotent; later appends are refused. */
  async close(): Promise<void> {
    await this.drained()
    const isOpen = this.#failure?.code !== 'STORE_CLOSED'
    if (!isOpen) return
    this.#failure = new StoreError('STORE_CLOSED', `Cannot append to the journal of run "${this.#run}": it is closed`)
    await this.#file.close()
  }

  async #flush(): Promise<void> {
    await Promise.resolve() // A synchronous burst of appends is one write.
    while (this.#pending.length > 0 && this.#failure === null) await this.#commit(this.#takeBatch())
    this.#flushing = null
  }

  #takeBatch(): Pending[] {
    let bytes = 0
    let count = 0
    for (const { line } of this.#pending) {
      if (count > 0 && bytes + line.byteLength > BATCH_BYTES_MAX) break
      bytes += line.byteLength
      count += 1
    }
    if (count === this.#pending.length) {
      const all = this.#pending
      this.#pending = []
      return all
    }
    return this.#pending.splice(0, count)
  }

  async #commit(batch: readonly Pending[]): Promise<void> {
    const bytes = Buffer.concat(batch.map((entry) => entry.line))
    try {
      await this.#file.write(bytes, this.#durableBytes)
      await this.#file.datasync()
      await this.#namesDurable
    } catch (error) {
      const failure = this.#fail(StoreError.from(`Cannot append to the journal of run "${this.#run}"`, error))
      await this.#dropRejected()
      for (const { reject } of batch) reject(failure)
      return
    }
    this.#durableBytes += bytes.byteLength
    for (const { seq, resolve } of batch) resolve({ seq })
  }

  #fail(error: StoreError): StoreError {
    this.#failure ??= error
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure)
    return this.#failure
  }

  /** What was rejected should not be read back as a fact. */
  async #dropRejected(): Promise<void> {
    try {
      await this.#file.truncate(this.#durableBytes)
    } catch {
      // The disk refuses this as well: readers drop a torn last line by themselves.
    }
  }
}

function rejected(error: StoreError): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => undefined) // As above: awaiting is the caller's choice.
  return promise
}
