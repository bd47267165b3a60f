// SPDX-License-Identifier: Apache-2.0
import { type MadeToken, readMadeToken } from './vault-answer.ts'
import type { VaultClient } from './vault-client.ts'

/** Of its time, when it is renewed: enough is left to try again. */
const RENEW_AT = 0.5
const RENEW_MS_MIN = 1000
/** Of its first time, what a renewal gives when nothing bounds it yet: seconds are rounded. */
const WHOLE = 0.8
/** The longest that a timer of Node waits. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** A token that is renewed for as long as it is needed, and its server lets. */
export class LivingToken {
  readonly token: string
  readonly accessor: string
  readonly #client: VaultClient
  readonly #nowMs: () => number
  readonly #stop = new AbortController()
  readonly #firstTtlMs: number
  #timer: NodeJS.Timeout | null = null
  #expiresAtMs: number
  /** It can still be renewed, and to its whole time. */
  #lasts: boolean

  constructor(made: MadeToken, client: VaultClient, nowMs: () => number) {
    this.token = made.token
    this.accessor = made.accessor
    this.#client = client
    this.#nowMs = nowMs
    this.#firstTtlMs = made.ttlMs ?? Number.POSITIVE_INFINITY
    this.#expiresAtMs = nowMs() + this.#firstTtlMs
    this.#lasts = made.isRenewable || made.ttlMs === null
    if (made.isRenewable && made.ttlMs !== null) this.#renewLater(made.ttlMs)
  }

  /** Infinity: it does not end by itself. */
  get remainingMs(): number {
    return this.#expiresAtMs - this.#nowMs()
  }

  /** As far as is known now: Infinity while it can be renewed to its whole time. */
  get lastsMs(): number {
    return this.#lasts ? Number.POSITIVE_INFINITY : this.remainingMs
  }

  /** It is not renewed any more. */
  stop(): void {
    this.#stop.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #renewLater(ttlMs: number): void {
    const waitMs = Math.min(Math.max(ttlMs * RENEW_AT, RENEW_MS_MIN), TIMER_MS_MAX)
    // It keeps no process alive
    this.#timer = setTimeout(() => void this.#renew(), waitMs).unref()
  }

  /** Never rejects: what cannot be renewed ends at its time, and who uses it is told then. */
  async #renew(): Promise<void> {
    try {
      const signal = this.#stop.signal
      const what = 'renew a token'
      const path = 'auth/token/renew-self'
      const answer = await this.#client.ask({ what, method: 'POST', path, token: this.token, body: {}, isRepeatable: true, signal })
      const { ttlMs, isRenewable } = readMadeToken(answer, what)
      this.#expiresAtMs = this.#nowMs() + (ttlMs ?? Number.POSITIVE_INFINITY)
      // At the end of its greatest age the server gives less and less
      this.#lasts = ttlMs === null || (isRenewable && ttlMs >= this.#firstTtlMs * WHOLE)
      if (isRenewable && ttlMs !== null && ttlMs > 2 * RENEW_MS_MIN) this.#renewLater(ttlMs)
    } catch {
      // A server that was away for a moment is asked again, as long as there is something to renew
      if (!this.#stop.signal.aborted && this.remainingMs > 2 * RENEW_MS_MIN) this.#renewLater(this.remainingMs)
    }
  }
}
