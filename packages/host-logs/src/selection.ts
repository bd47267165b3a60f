// SPDX-License-Identifier: Apache-2.0
import type { DropReason, HostCounts, HostGap, HostItem, HostRecord } from './contract.ts'
import { RateLimit } from './rate-limit.ts'

/** What one reading of a log comes to: the records that are taken, in order, and the numbers of all others. */
export class Selection {
  readonly #limit = new RateLimit()
  readonly #dropped: Partial<Record<DropReason, number>> = {}
  #notSelected = 0
  #items: HostItem[] = []

  get counts(): HostCounts {
    return { notSelected: this.#notSelected, dropped: { ...this.#dropped } }
  }

  /** Null: it matters to no job. */
  add(record: HostRecord | null): void {
    if (record === null) this.#notSelected += 1
    else if (this.#limit.takes(record.class, performance.now())) this.#items.push(record)
    else this.drop('rate', 1)
  }

  skip(records: number): void {
    this.#notSelected += records
  }

  drop(reason: DropReason, records: number): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + records
  }

  /** Missing between what was added before and after. Where nobody knows how many, it counts as one. */
  gap(reason: HostGap['reason'], count: number | null): void {
    this.drop(reason, count ?? 1)
    this.#items.push({ kind: 'gap', reason, count })
  }

  take(): readonly HostItem[] {
    const items = this.#items
    this.#items = []
    return items
  }
}
