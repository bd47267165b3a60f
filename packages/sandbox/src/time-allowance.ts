// SPDX-License-Identifier: Apache-2.0

const BURST_MS = 500
/** Of each second afterwards. */
const SHARE = 1 / 5

/** For what a job can have done as often as it likes, in the one thread that all jobs of a run depend on. */
export class TimeAllowance {
  readonly #nowMs: () => number
  #leftMs = BURST_MS
  #filledAt: number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#filledAt = nowMs()
  }

  /** What the work returns; null, without doing it, once the work before it has taken all the time that there was for it. */
  spend<T>(work: () => T): T | null {
    const startMs = this.#nowMs()
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (startMs - this.#filledAt) * SHARE)
    this.#filledAt = startMs
    if (this.#leftMs <= 0) return null
    try {
      return work()
    } finally {
      this.#leftMs -= this.#nowMs() - startMs
    }
  }
}
