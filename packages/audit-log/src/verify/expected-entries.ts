// SPDX-License-Identifier: Apache-2.0
// What somebody who saw entries written says about them, compared with what stands there.
import { quote } from '@sallyport/core'
import type { LogEntry } from '../contract.ts'
import { entryAt, type Findings } from './finding.ts'

/** An entry that was in the log once, so that it is there for good. */
export interface ExpectedEntry {
  readonly index: number
  readonly source: string
  readonly type: string
  /** Who says so, for the report: `the record of the run`. */
  readonly from: string
}

export class ExpectedEntries {
  readonly #findings: Findings
  readonly #byIndex: ReadonlyMap<number, readonly ExpectedEntry[]>

  constructor(findings: Findings, expected: readonly ExpectedEntry[]) {
    this.#findings = findings
    this.#byIndex = Map.groupBy(expected, ({ index }) => index)
  }

  /** `entry`: what stands at `index`; null when it is none of ours. */
  compare(index: number, entry: LogEntry | null): void {
    for (const { source, type, from } of this.#byIndex.get(index) ?? []) {
      if (entry?.source === source && entry.type === type) continue
      const found = entry === null ? 'is none of ours' : `is ${quote(entry.type)} of ${quote(entry.source)}`
      this.#findings.add({
        kind: 'entry-unexpected',
        manipulation: 'rewritten',
        entries: entryAt(index),
        message: `entry ${index} was ${quote(type)} of ${quote(source)} (${from}) and ${found}`,
      })
    }
  }

  /** Those that would stand behind the last of `size` entries. */
  finish(size: number): void {
    for (const [index, [expected]] of this.#byIndex) {
      if (index < size || expected === undefined) continue
      const { source, type, from } = expected
      this.#findings.add({
        kind: 'entry-absent',
        manipulation: 'rolled-back',
        entries: { first: size, last: index },
        message: `the log has ${size} entries, and ${quote(type)} of ${quote(source)} was entry ${index} of it (${from})`,
      })
    }
  }
}
