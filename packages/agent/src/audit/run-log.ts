// SPDX-License-Identifier: Apache-2.0
import type { Commitment } from '@sallyport/audit-log'
import type { EventEnvelope } from '@sallyport/core'
import type { RunEntries } from './run-entries.ts'
import type { LoggedRun, RunLogWriter } from './run-log-writer.ts'

/** Events wait for others at most so long. */
const TICK_MS = 1000
/** While a run goes on, a checkpoint is published at most this often, with a signer that takes a processor for a tenth of a second. */
const TICKS_PER_CHECKPOINT = 5
/** Another run that publishes may publish what this one has appended; at its end this one waits for that. */
const AT_INTERVALS = { waitMs: 0 }
const AT_ITS_END = { waitMs: 5000 }
/** Shorter runs leave theirs to whoever publishes next: it would take longer than they did. */
const PUBLISHES_AFTER_MS = 1000
/** One append; of events that are as large as they can be in an entry, 64 MiB. */
const BATCH_EVENTS_MAX = 4096

/** Other sources, written along with a run's own. `begin` makes the entries of one. Calls do not overlap. */
export interface SourcesBeside {
  readonly areWaiting: boolean
  /** What has come since the last time. */
  take(begin: (source: string) => RunEntries): Promise<Uint8Array[]>
  /** The rest, and their ends. */
  close(begin: (source: string) => RunEntries): Promise<Uint8Array[]>
}

/**
 * One run as a source of the log. It takes every event as it comes and holds nobody up: events go into the log in batches, beside the
 * job, and what is needed for that is loaded beside the job, too. Only who has to waits, with `durable` and `close`.
 *
 * The first failure is final. A run that ends without `close` leaves a source without an end, which `audit verify` tells apart from one that runs.
 */
export class RunLog implements AsyncDisposable {
  /** Told once, when too few witnesses have cosigned a checkpoint while the run goes on: its end says so, too. */
  onQuorumMissed: ((message: string) => void) | null = null
  readonly #stateDirectory: string
  readonly #source: string
  readonly #beside: SourcesBeside | null
  readonly #startedMs = performance.now()
  #waiting: EventEnvelope[] = []
  #added = 0
  #durable = 0
  /** How many events a checkpoint of this run's has. */
  #published = 0
  /** How many events a checkpoint has that the witnesses of the lease policy have cosigned. */
  #witnessed = 0
  #failure: unknown = null
  #isClosed = false
  #ticks = 0
  #timer: NodeJS.Timeout | null = null
  /** Writing overlaps with nothing. Never rejects. */
  #last: Promise<unknown> = Promise.resolve()
  #writer: Promise<RunLogWriter> | null = null

  constructor(stateDirectory: string, runId: string, beside: SourcesBeside | null = null) {
    this.#stateDirectory = stateDirectory
    this.#source = `run/${runId}`
    this.#beside = beside
  }

  /** How many events were added: what `durable` can be asked for. */
  get added(): number {
    return this.#added
  }

  add(event: EventEnvelope): void {
    if (this.#isClosed) throw new TypeError(`"${event.type}" comes after the end of the run`)
    this.#waiting.push(event)
    this.#added += 1
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** A step runs, and nobody waits for us: loads what writing needs. */
  prepare(): void {
    this.#load().catch(() => undefined) // Told to whoever writes.
  }

  /**
   * Resolves when the first `count` events are in the log, for good, and witnessed where the log's policy asks for that.
   * @throws AgentError AUDIT_LOG_UNWRITABLE, also for an earlier failure; AUDIT_POLICY_INVALID; LEASE_UNWITNESSED, and it may be asked again.
   */
  async durable(count: number): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    while (this.#durable < count) await this.#write()
    if (this.#witnessed < count) await this.#witness(count)
  }

  /** Everything, and the end of the source, which commits to the run's `document`: where it stands in the log. @throws AgentError AUDIT_LOG_UNWRITABLE */
  close(document: Commitment | null = null): Promise<LoggedRun> {
    this.#stopTimer()
    this.onQuorumMissed = null
    const publishes = performance.now() - this.#startedMs >= PUBLISHES_AFTER_MS ? AT_ITS_END : null
    return this.#alone(async (writer) => {
      let events = this.#take()
      for (; this.#waiting.length > 0; events = this.#take()) await writer.append(events, null)
      this.#isClosed = true
      this.#durable = this.#added
      return writer.close(events, document, publishes)
    })
  }

  /** Of one that was not closed: waits until nothing is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTimer()
    await this.#last
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  #tick(): void {
    this.#ticks += 1
    const publishes = this.#ticks % TICKS_PER_CHECKPOINT === 0 ? AT_INTERVALS : null
    const isDue = this.#isWaiting || (publishes !== null && this.#published < this.#durable)
    // The next one who waits is told of a failure.
    if (this.#failure === null && isDue) this.#write(publishes).catch(() => undefined)
  }

  #write(publishes: typeof AT_INTERVALS | null = null): Promise<void> {
    return this.#alone(async (writer) => {
      const events = this.#take()
      const isWaiting = events.length > 0 || this.#beside?.areWaiting === true
      if (!isWaiting && (publishes === null || this.#published === this.#durable)) return
      const unpublished = await writer.append(events, publishes)
      this.#durable += events.length
      if (publishes !== null && unpublished === null) this.#published = this.#durable
      if (unpublished?.code === 'WITNESS_QUORUM_MISSED') this.#tellOnce(unpublished.message)
    })
  }

  #tellOnce(message: string): void {
    this.onQuorumMissed?.(message)
    this.onQuorumMissed = null
  }

  async #witness(count: number): Promise<void> {
    const refusal = await this.#alone(async () => {
      if (this.#witnessed >= count) return null
      const durable = this.#durable
      const { publishForLease } = await import('./publish-for-lease.ts')
      const refusal = await publishForLease(this.#stateDirectory)
      if (refusal === null) this.#witnessed = durable
      return refusal
    })
    if (refusal !== null) throw refusal
  }

  get #isWaiting(): boolean {
    return this.#waiting.length > 0 || this.#beside?.areWaiting === true
  }

  #take(): readonly EventEnvelope[] {
    return this.#waiting.splice(0, BATCH_EVENTS_MAX)
  }

  #alone<T>(work: (writer: RunLogWriter) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#failure !== null) throw this.#failure
      try {
        return await work(await this.#load())
      } catch (error) {
        this.#failure = error
        throw error
      }
    })
    this.#last = result.catch(() => undefined) // Whoever called is told.
    return result
  }

  #load(): Promise<RunLogWriter> {
    this.#writer ??= import('./run-log-writer.ts').then(
      ({ RunLogWriter }) => new RunLogWriter(this.#stateDirectory, this.#source, this.#beside),
    )
    return this.#writer
  }
}
