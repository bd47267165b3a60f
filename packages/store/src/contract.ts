// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope, Journal } from '@sallyport/core'

/**
 * The record of runs under `STATE/runs/<id>/`: `journal.jsonl` (one {@link EventEnvelope} a line),
 * `log/<n>.log` (redacted output, one file a job, named by number because job keys are untrusted),
 * `run.json` (the final document, written by rename).
 */
export interface RunStore {
  /** Creates the record of a new run; fails if the id exists. */
  create(id: string): Promise<RunRecord>
  /** Newest first. A run whose process died has no document; `interrupted` says so. */
  list(): Promise<readonly RunSummary[]>
  /** Finds by id or unique prefix. @throws StoreError RUN_NOT_FOUND, RUN_AMBIGUOUS. */
  open(idOrPrefix: string): Promise<StoredRun>
}

export interface RunRecord extends Journal, AsyncDisposable {
  readonly id: string
  readonly directory: string
  /** Called for every appended event, in order, once its sequence number is known. */
  onEvent: ((event: EventEnvelope) => void) | null
  /** A new file each time; appends `log.opened` `{ file }`, so that an interrupted run's output can be found. */
  openLog(job: string): Promise<LogWriter>
  /** Writes `run.json`, fsyncs file and directory. */
  finish(document: unknown): Promise<void>
}

export interface LogWriter extends AsyncDisposable {
  /** Path relative to the run's directory. */
  readonly file: string
  /** Bytes written so far. */
  readonly offset: number
  /** Applies backpressure: await it before the next write. Copies nothing; do not reuse the buffer before it resolves. */
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
}

export interface RunSummary {
  readonly id: string
  readonly startedAt: string
  readonly durationMs: number | null
  readonly conclusion: string
  readonly workflows: readonly string[]
  /** Nothing that went out was blocked. */
  readonly observed: boolean
}

export interface StoredRun {
  readonly id: string
  readonly directory: string
  /** The document, or null when the run never finished. */
  readonly document: Readonly<Record<string, unknown>> | null
  /** Of a run without a document: `running` while the process that makes it lives. */
  readonly state: 'finished' | 'running' | 'interrupted'
  /** Bytes of the torn last line that `events()` dropped; 0 until it was read to its end. */
  readonly tornBytes: number
  /**
   * A torn last line (crash in the middle of a write) is dropped and reported by `tornBytes`.
   * @throws StoreError STORE_CORRUPT when any other line is not the event that belongs there.
   */
  events(): AsyncIterable<EventEnvelope>
  /** Bytes of a step's output (from the `step.log` events). */
  readLog(file: string, from: number, to: number): AsyncIterable<Uint8Array>
}
