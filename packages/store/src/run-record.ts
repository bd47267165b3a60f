// SPDX-License-Identifier: Apache-2.0
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Durable, EventEnvelope, RunEvent } from '@sallyport/core'
import type { LogWriter, RunRecord } from './contract.ts'
import { writeFileDurably } from './durable-file.ts'
import type { JournalWriter } from './journal-writer.ts'
import { createLog } from './log-file.ts'
import { formatDocument } from './run-document.ts'
import { StoreError } from './store-error.ts'

/** A run being written by this process. */
export class OpenRunRecord implements RunRecord {
  readonly id: string
  readonly directory: string
  onEvent: ((event: EventEnvelope) => void) | null = null
  readonly #journal: JournalWriter
  readonly #logs: LogWriter[] = []
  #isDisposed = false

  constructor(id: string, directory: string, journal: JournalWriter) {
    this.id = id
    this.directory = directory
    this.#journal = journal
  }

  append(event: RunEvent): Promise<Durable> {
    return this.#journal.append(event, this.onEvent)
  }

  /** Files are numbered and the journal says whose they are: a job's key is no file name. */
  async openLog(job: string): Promise<LogWriter> {
    const slot = this.#logs.length
    const creating = createLog(this.directory, slot + 1)
    this.#logs.length += 1 // The number is taken before anything is awaited.
    const log = await creating
    this.#logs[slot] = log
    await this.append({ type: 'log.opened', job, data: { file: log.file } })
    return log
  }

  async finish(document: unknown): Promise<void> {
    await this.#journal.drained() // The document never knows more than the journal.
    try {
      await writeFileDurably(join(this.directory, 'run.json'), formatDocument(document))
    } catch (error) {
      throw StoreError.from(`Cannot write the document of run "${this.id}"`, error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return
    this.#isDisposed = true
    for (const log of this.#logs) await log?.[Symbol.asyncDispose]()
    await this.#journal.close()
    await rm(join(this.directory, 'lock'), { force: true })
  }
}
