// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { leafHash, TILE_WIDTH, type TileSource } from '@sallyport/audit-log'
import { messageOf } from '@sallyport/core'
import { lockExclusively, makePrivateDirectory } from '@sallyport/store'
import type { ExportProgress, ExportRecord, ExportTarget, ExportTotals } from './contract.ts'
import { type Cursor, cursorPath, firstCursor, readCursor, writeCursor } from './cursor.ts'
import { ExportError } from './export-error.ts'
import { type PublishedTree, readPublishedTree, readRecords } from './log-reader.ts'

export interface LogExporterOptions {
  readonly source: TileSource
  readonly target: ExportTarget
  /** Of cursors; absolute. */
  readonly directory: string
  /** Of the target, for its cursor. */
  readonly name: string
  readonly onProgress: (progress: ExportProgress) => void
  readonly times?: Partial<ExportTimes>
}

export interface ExportTimes {
  /** Between looks for a new checkpoint. */
  readonly pollMs: number
  /** Before the second attempt; doubled before each one after it. */
  readonly retryMs: number
  readonly retryMsMax: number
  /** Of an export that does not follow the log: after so many attempts without success it fails. */
  readonly attemptsMax: number
}

const TIMES: ExportTimes = { pollMs: 1000, retryMs: 250, retryMsMax: 30_000, attemptsMax: 6 }
/** What a target may ask for at most. */
const RETRY_AFTER_MS_MAX = 300_000
const LOCK_WAIT_MS = 2000
/** Of leaves in one call of a target, where one alone does not have more. */
const BATCH_BYTES_MAX = 1024 * 1024

/**
 * Exports a log to one target: a reader of the published log with a durable cursor, and no queue. Nothing waits for it, so that no job
 * is ever blocked by a target; what it has not sent stays in the log, and is counted as waiting. Records come at least once, in order.
 */
export class LogExporter implements AsyncDisposable {
  readonly #options: LogExporterOptions
  readonly #times: ExportTimes
  readonly #path: string
  readonly #lock: FileHandle
  #cursor: Cursor
  #isChecked = false

  private constructor(options: LogExporterOptions, path: string, lock: FileHandle, cursor: Cursor) {
    this.#options = options
    this.#times = { ...TIMES, ...options.times }
    this.#path = path
    this.#lock = lock
    this.#cursor = cursor
  }

  /** @throws ExportError EXPORT_LOCKED, EXPORT_OTHER_LOG; StoreError for its files */
  static async open(options: LogExporterOptions): Promise<LogExporter> {
    const path = cursorPath(options.directory, options.name)
    await makePrivateDirectory(options.directory)
    const lock = await lockExclusively(`${path}.lock`, LOCK_WAIT_MS)
    if (lock === null) throw new ExportError('EXPORT_LOCKED', `Cannot export to "${options.name}": another process does`)
    try {
      return new LogExporter(options, path, lock, (await readCursor(path)) ?? firstCursor(''))
    } catch (error) {
      await lock.close()
      throw error
    }
  }

  /** Of all exports to this target so far. */
  get totals(): ExportTotals {
    const { delivered, refused, shortened, missing } = this.#cursor
    return { delivered, refused, shortened, missing }
  }

  /** All that is published when it is called. @throws ExportError, also after too many attempts */
  async runOnce(signal: AbortSignal): Promise<ExportProgress> {
    const tree = await readPublishedTree(this.#options.source)
    while (!(await this.#attempt(tree, signal))) signal.throwIfAborted()
    return this.#progress(tree, null)
  }

  /** Until `signal`. Failures of target and disk are reported, and tried again for good. @throws ExportError EXPORT_OTHER_LOG */
  async follow(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      let tree: PublishedTree | null = null
      try {
        tree = await readPublishedTree(this.#options.source)
        const isDone = await this.#advance(tree, signal)
        failures = 0
        if (isDone) await pause(this.#times.pollMs, signal)
      } catch (error) {
        if (signal.aborted) return
        if (isFinal(error)) throw error
        this.#report(tree, messageOf(error))
        await this.#backOff(failures++, error, signal)
      }
    }
  }

  async #attempt(tree: PublishedTree, signal: AbortSignal): Promise<boolean> {
    for (let failures = 0; ; ) {
      try {
        return await this.#advance(tree, signal)
      } catch (error) {
        if (isFinal(error) || signal.aborted || ++failures >= this.#times.attemptsMax) throw error
        this.#report(tree, messageOf(error))
        await this.#backOff(failures - 1, error, signal)
      }
    }
  }

  /** One batch. True when nothing is left of `tree`. */
  async #advance(tree: PublishedTree, signal: AbortSignal): Promise<boolean> {
    if (!this.#isChecked) await this.#check(tree)
    const { next } = this.#cursor
    if (next > tree.size) throw otherLog(`the log has ${tree.size} entries, and ${next} were exported`)
    if (next === tree.size) return true
    const records = await readRecords(this.#options.source, tree, next)
    if (records === null) await this.#skip(next)
    else await this.#deliver(cutBatch(records), signal)
    this.#report(tree, null)
    return this.#cursor.next === tree.size
  }

  /** Whether this is the log of the cursor: the last entry that was exported has to be where it was. */
  async #check(tree: PublishedTree): Promise<void> {
    const { origin, next, lastLeaf } = this.#cursor
    if (origin === '') this.#cursor = firstCursor(tree.origin)
    else if (origin !== tree.origin) throw otherLog(`it is "${tree.origin}", and "${origin}" was exported`)
    else if (next > tree.size) throw otherLog(`it has ${tree.size} entries, and ${next} were exported`)
    else if (lastLeaf !== null) {
      const [last] = (await readRecords(this.#options.source, tree, next - 1)) ?? []
      if (last !== undefined && leafText(last) !== lastLeaf) throw otherLog(`entry ${next - 1} is not the one that was exported`)
    }
    this.#isChecked = true
  }

  async #deliver(records: readonly ExportRecord[], signal: AbortSignal): Promise<void> {
    const { refused, shortened } = await this.#options.target.deliver(records, signal)
    const cursor = this.#cursor
    const last = records.at(-1)
    await this.#move({
      ...cursor,
      next: cursor.next + records.length,
      lastLeaf: last === undefined ? cursor.lastLeaf : leafText(last),
      delivered: cursor.delivered + records.length - refused.length,
      refused: cursor.refused + refused.length,
      shortened: cursor.shortened + shortened,
    })
  }

  /** To the end of a bundle that is not there. */
  async #skip(next: number): Promise<void> {
    const end = (Math.floor(next / TILE_WIDTH) + 1) * TILE_WIDTH
    await this.#move({ ...this.#cursor, next: end, lastLeaf: null, missing: this.#cursor.missing + end - next })
  }

  async #move(cursor: Cursor): Promise<void> {
    await writeCursor(this.#path, cursor)
    this.#cursor = cursor
  }

  #report(tree: PublishedTree | null, failure: string | null): void {
    this.#options.onProgress(this.#progress(tree, failure))
  }

  #progress(tree: PublishedTree | null, failure: string | null): ExportProgress {
    const { next } = this.#cursor
    return { next, size: tree?.size ?? next, ...this.totals, failure }
  }

  async #backOff(failures: number, error: unknown, signal: AbortSignal): Promise<void> {
    const { retryMs, retryMsMax } = this.#times
    const ms = Math.min(retryMs * 2 ** failures, retryMsMax)
    const asked = error instanceof ExportError ? Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX) : 0
    await pause(Math.max(asked, ms / 2 + Math.random() * (ms / 2)), signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.close()
  }
}

function cutBatch(records: readonly ExportRecord[]): readonly ExportRecord[] {
  let bytes = 0
  const end = records.findIndex(({ leaf }, index) => {
    bytes += leaf.length
    return index > 0 && bytes > BATCH_BYTES_MAX
  })
  return end === -1 ? records : records.slice(0, end)
}

function leafText({ leaf }: ExportRecord): string {
  return Buffer.from(leafHash(leaf)).toString('hex')
}

function isFinal(error: unknown): boolean {
  return error instanceof ExportError && error.code === 'EXPORT_OTHER_LOG'
}

function otherLog(problem: string): ExportError {
  return new ExportError('EXPORT_OTHER_LOG', `Cannot go on with the export: ${problem}`, {
    hint: 'sallyport audit verify says whether the log was changed; for a new log, name the target anew',
  })
}

/** Ends early, without a word, when `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined)
}
