// SPDX-License-Identifier: Apache-2.0

/** A step asks for a handful of tokens. Each request costs an event in the journal, and a signature. */
export const REQUESTS: { readonly burst: number; readonly perS: number } = { burst: 60, perS: 1 }

/** A bucket of requests that fills with time. */
export class RequestBudget {
  readonly #nowMs: () => number
  #left: number = REQUESTS.burst
  #filledMs: number
  #dropped = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.#filledMs = nowMs()
  }

  take(): boolean {
    const nowMs = this.#nowMs()
    this.#left = Math.min(REQUESTS.burst, this.#left + ((nowMs - this.#filledMs) * REQUESTS.perS) / 1000)
    this.#filledMs = nowMs
    if (this.#left < 1) {
      this.#dropped += 1
      return false
    }
    this.#left -= 1
    return true
  }

  /** Whether what was refused just now is the first since then. */
  isFirstDropped(): boolean {
    return this.#dropped === 1
  }

  /** How many were refused since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }
}
