// SPDX-License-Identifier: Apache-2.0
import { newRunId } from '@sallyport/store'
import type { OperatorLog } from './contract.ts'
import { RunLogWriter } from './run-log-writer.ts'

/** Nothing is written, and no log is made, before there is something to record. */
export function openOperatorLog(stateDirectory: string): OperatorLog {
  return new OperatorLogWriter(stateDirectory)
}

class OperatorLogWriter implements OperatorLog {
  readonly #stateDirectory: string
  readonly #id = newRunId()
  #writer: RunLogWriter | null = null
  #seq = 0

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory
  }

  async record(type: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    this.#writer ??= new RunLogWriter(this.#stateDirectory, `operator/${this.#id}`, null)
    this.#seq += 1
    await this.#writer.append([{ seq: this.#seq, run: this.#id, at: new Date().toISOString(), type, data }], null)
  }

  async close(): Promise<void> {
    await this.#writer?.close([], null, null)
    this.#writer = null
  }
}
