// SPDX-License-Identifier: Apache-2.0

/**
 * New connections of one job to the world. A closed one keeps its port of the host, and its line in the host's connection tracking, for a minute or two: a job that
 * opens as many as it can would use those up for everybody.
 */
const DIALS_A_SECOND = 200
/** A parallel download of a large project, at once. */
const DIALS_BURST = 2000

export class DialRate {
  readonly #now: () => number
  /** When all that was dialled so far is within the rate. */
  #evenAtMs = Number.NEGATIVE_INFINITY

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Counts one. Answers after how many milliseconds it may be dialled, usually 0. */
  take(): number {
    const now = this.#now()
    this.#evenAtMs = Math.max(this.#evenAtMs, now) + 1000 / DIALS_A_SECOND
    return Math.max(0, this.#evenAtMs - now - (DIALS_BURST * 1000) / DIALS_A_SECOND)
  }
}
