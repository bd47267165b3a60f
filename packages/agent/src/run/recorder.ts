// SPDX-License-Identifier: Apache-2.0
import type { Durable, RunEvent } from '@sallyport/core'
import type { SecretSet } from '@sallyport/redaction'
import type { RunRecord } from '@sallyport/store'

/** The journal, behind the redactor: names, messages and outputs in events may hold a secret as well as a log does. */
export class Recorder {
  readonly #record: RunRecord
  readonly #secrets: SecretSet
  #last: Promise<Durable> | null = null
  #failed: unknown = null
  #lastSeq = 0

  constructor(record: RunRecord, secrets: SecretSet) {
    this.#record = record
    this.#secrets = secrets
  }

  add(event: RunEvent): void {
    const data = this.redact(event.data) as Readonly<Record<string, unknown>>
    const appended = this.#record.append({ ...event, data })
    this.#last = appended
    appended.catch((error: unknown) => {
      this.#failed ??= error
    })
  }

  /** Everything added so far is on stable storage. @throws StoreError when it cannot be: the caller must not go on. */
  async settle(): Promise<void> {
    const last = await this.#last
    this.#lastSeq = last?.seq ?? 0
    if (this.#failed !== null) throw this.#failed
  }

  /** Of the event that was added last, as of the last `settle`. The record adds events of its own, so that counting ours would fall short. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** The same data with every secret in every string masked. */
  redact(value: unknown): unknown {
    if (typeof value === 'string') return this.#secrets.redact(value)
    if (Array.isArray(value)) return value.map((item) => this.redact(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.#secrets.redact(key), this.redact(item)]))
  }
}
