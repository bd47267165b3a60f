// SPDX-License-Identifier: Apache-2.0
import type { ProviderLease } from '../contract.ts'

export interface LeaseTimerParts {
  readonly nowMs: () => number
  /** As long again as it was made for. */
  readonly renew: (lease: ProviderLease) => Promise<ProviderLease>
  readonly renewed: (lease: ProviderLease) => void
  readonly failed: (error: unknown) => void
}

/** When this much of a lease has passed it is renewed: what fails once can be tried again. */
const PASSED = 0.6
/** A provider that grants less each time is not asked without end. */
const WAIT_MS_MIN = 1000
const WAIT_MS_MAX = 2 ** 31 - 1

/** Keeps one lease alive until it is stopped. Whoever stops it revokes it. */
export class LeaseTimer {
  readonly #parts: LeaseTimerParts
  #lease: ProviderLease
  #timer: NodeJS.Timeout | null = null
  #isStopped = false
  /** Never rejects. */
  #renewing: Promise<void> = Promise.resolve()

  constructor(lease: ProviderLease, parts: LeaseTimerParts) {
    this.#lease = lease
    this.#parts = parts
    this.#wait()
  }

  #wait(): void {
    if (this.#isStopped || !this.#lease.isRenewable) return
    const waitMs = Math.max(WAIT_MS_MIN, (this.#lease.expiresAtMs - this.#parts.nowMs()) * PASSED)
    this.#timer = setTimeout(() => (this.#renewing = this.#renew()), Math.min(waitMs, WAIT_MS_MAX)).unref()
  }

  async #renew(): Promise<void> {
    try {
      const lease = await this.#parts.renew(this.#lease)
      const isLonger = lease.expiresAtMs > this.#lease.expiresAtMs
      this.#lease = lease
      this.#parts.renewed(lease)
      // At its end already: the provider gives no more.
      if (isLonger) this.#wait()
    } catch (error) {
      this.#parts.failed(error)
      if (this.#lease.expiresAtMs > this.#parts.nowMs()) this.#wait()
    }
  }

  /** The lease as it stands, with nothing under way. */
  async stop(): Promise<ProviderLease> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#renewing
    return this.#lease
  }
}
