// SPDX-License-Identifier: Apache-2.0
import type { DecidingRules, EgressRule, Refusal, RefusalCode } from '@sallyport/access'
import { type HttpConnection, type Meter, RefusedError } from '../ports.ts'
import { type Destination, destinationOf } from './destination.ts'
import { cleaned } from './refusal-text.ts'
import type { StepSubstitutions } from './substitution.ts'

/** Until the whole head of the first request is there. Slow clients must not hold memory for long (Slowloris). */
const FIRST_HEAD_MS = 30_000

interface Owned {
  destroy(): unknown
  on(event: 'error' | 'close', listener: () => void): unknown
}

/** One connection of a job while it lives: what belongs to it, when it was idle for too long, what was reported. */
export class ConnectionScope {
  readonly connection: HttpConnection
  readonly destination: Destination
  /** Null: the step has none. */
  readonly substitutions: StepSubstitutions | null
  readonly #aborted = new AbortController()
  readonly #owned: Set<Owned> = new Set()
  readonly #reported: WeakSet<Refusal> = new WeakSet()
  /** By the request's rule, and by the ceiling's below it. */
  readonly #meters: Map<EgressRule | null, Map<EgressRule | null, Meter>> = new Map()
  #lastActivity = performance.now()
  #allowedMs = FIRST_HEAD_MS
  #timer: NodeJS.Timeout | null = null

  constructor(connection: HttpConnection, substitutions: StepSubstitutions | null) {
    this.connection = connection
    this.destination = destinationOf(connection)
    this.substitutions = substitutions
    this.own(connection.socket)
    connection.step.signal.addEventListener('abort', this.end, { once: true })
    connection.socket.once('close', this.end)
    connection.socket.on('error', this.end)
    if (connection.step.signal.aborted || connection.socket.destroyed) this.end()
    else this.#watch()
  }

  /** Aborted when the connection is over, by whichever end. */
  get signal(): AbortSignal {
    return this.#aborted.signal
  }

  /** Destroyed at the end of the connection. An error of it, which it may have at any time, is its own end. */
  own(resource: Owned): void {
    resource.on('error', () => resource.destroy())
    if (this.#aborted.signal.aborted) resource.destroy()
    else this.#owned.add(resource)
    resource.on('close', () => this.#owned.delete(resource))
  }

  /** Answers of this destination are searched for values, from the first that may be sent there on. */
  get searchesAnswers(): boolean {
    return this.substitutions?.searchesAnswersOf(this.destination) ?? false
  }

  /** Bytes went, in whichever direction. */
  touch(): void {
    this.#lastActivity = performance.now()
  }

  /** A whole request has arrived: from now on only silence counts. */
  requestArrived(): void {
    this.touch()
    const { idleMs } = this.connection.config.limits
    if (this.#allowedMs === idleMs || this.signal.aborted) return
    this.#allowedMs = idleMs
    this.#watch()
  }

  meter(by: DecidingRules): Meter {
    const ofRule = this.#meters.get(by.rule) ?? new Map<EgressRule | null, Meter>()
    const known = ofRule.get(by.ceiling) ?? this.connection.meter(by)
    this.#meters.set(by.rule, ofRule.set(by.ceiling, known))
    return known
  }

  /** The same refusal is reported once, however many requests it ends. */
  report(refusal: Refusal): void {
    if (this.#reported.has(refusal)) return
    this.#reported.add(refusal)
    this.connection.step.report.refused(refusal)
  }

  /** `reason`: static, or made of cleaned values. `target`: default, the connection's own. */
  refused(code: RefusalCode, reason: string, target: string = `${this.destination.name}:${this.destination.port}`): RefusedError {
    return new RefusedError({ code, target: cleaned(target), reason, rule: null, remedy: null })
  }

  /** Idempotent. */
  readonly end: () => void = (): void => {
    if (this.#aborted.signal.aborted) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.connection.step.signal.removeEventListener('abort', this.end)
    this.#aborted.abort()
    // What wraps another one goes before it, and not from within a callback of either: Node 24 crashes when the socket below is destroyed while TLS reads from it.
    const owned = Array.from(this.#owned).reverse()
    this.#owned.clear()
    setImmediate(() => {
      for (const resource of owned) resource.destroy()
    })
  }

  readonly #watch = (): void => {
    const left = this.#lastActivity + this.#allowedMs - performance.now()
    if (left <= 0) {
      this.end()
      return
    }
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#watch, left + 1)
    this.#timer.unref()
  }
}
