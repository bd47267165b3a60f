// SPDX-License-Identifier: Apache-2.0

/** One line of the benchmark table. */
export interface BenchRow {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What was measured, where the name does not say it. */
  readonly note?: string
  /** The value against a peer that was measured in the same run, e.g. `8.1 × Buffer.indexOf`. */
  readonly ratio?: string
}
