// SPDX-License-Identifier: Apache-2.0
import type { Commitment } from '@sallyport/audit-log'
import type { EventEnvelope, Journal } from '@sallyport/core'
import type { EntryRange } from './run-document.ts'

/**
 * The record of runs under `STATE/runs/<id>/`: `journal.jsonl` (one {@link EventEnvelope} a line),
 * `log/<n>.log` (redacted output, one file a job, named by number because job keys are untrusted) and `log/<n>.key` (what the salts of
 * its commitments are made from), `run.json` (the final document, written by rename).
 */
export interface RunStore {
  /** Creates the record of a new run; fails if the id exists. */
  create(id: string): Promise<RunRecord>
  /** Newest first. A run whose process died has no document; `interrupted` says so. */
  list(): Promise<readonly RunSummary[]>
  /** Finds by id or unique prefix. @throws StoreError RUN_NOT_FOUND, RUN_AMBIGUOUS. */
  open(idOrPrefix: string): Promise<StoredRun>
  /**
   * Destroys what a run printed, or its whole record. Idempotent, and to be called again after a crash. The caller knows that the run is over.
   */
  erase(id: string, part: RecordPart): Promise<void>
  /** What is kept of what a run printed. */
  outputBytes(id: string): Promise<number>
}

export type RecordPart = 'output' | 'record'

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
  /**
   * Writes that are made while others wait become one with them. Whoever writes much bounds what waits. Copies nothing; do not reuse the buffer before
   * it resolves. A failure stays: every later write rejects with it.
   */
  write(bytes: Uint8Array): Promise<void>
  /** What is written from now on, until it ends, is one commitment. One at a time. */
  beginPiece(): OutputPiece
}

export interface OutputPiece {
  /** Resolves when all of it is on stable storage, so that nobody commits to what a crash could take away. */
  end(): Promise<CommittedOutput>
}

/** Where the output of a step lies in the record, as `step.log` has it. */
export interface OutputRange {
  readonly file: string
  readonly from: number
  readonly to: number
}

export interface CommittedOutput extends OutputRange {
  /** Number of the piece in its file: with the file's key, its salt. */
  readonly piece: number
  /** Base64 of SHA-256(salt ‖ output); null for no output, which needs none. */
  readonly commitment: string | null
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
  /** Whether a piece of output is what was committed to. `gone`: it, or what its salt is made from, is not there any more. */
  checkOutput(range: OutputRange & { readonly piece: number }, commitment: Commitment): Promise<'kept' | 'different' | 'gone'>
  /** As it lies there now; see `checkDocument`. */
  checkDocument(commitment: Commitment, place: EntryRange): Promise<'kept' | 'different' | 'unlogged' | 'gone'>
}
