// SPDX-License-Identifier: Apache-2.0
import type { EgressRule } from '@sallyport/access'
import { RefusedError } from '../ports.ts'
import { formatOrigin } from './door-report.ts'

/** A rate lets through what it allows in this time at once, then makes wait. */
const BURST_MS = 100

interface Spent {
  bytesOut: number
  bytesIn: number
  /** When all that was let through so far is within the rate. */
  evenAtMs: number
}

/** What the rules of one job have let through so far, over all steps: a rule that stands in several steps is one budget. */
export class Budgets {
  readonly #jobBytesOutMax: number | null
  readonly #now: () => number
  readonly #rules = new Map<string, Spent>()
  #jobBytesOut = 0

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(jobBytesOutMax: number | null, now: () => number = () => performance.now()) {
    this.#jobBytesOutMax = jobBytesOutMax
    this.#now = now
  }

  /**
   * What is taken from here on by one connection under these rules, and from the job's own budget. `target` is for refusals. The function returned takes bytes and
   * answers after how many milliseconds they may go on, usually 0.
   * It throws RefusedError `budget`, having taken nothing.
   */
  account(rules: readonly (EgressRule | null)[], target: string): (bytesOut: number, bytesIn: number) => number {
    const limited = rules.flatMap((rule) => {
      const spent = rule === null ? null : this.#spentBy(rule)
      return rule === null || spent === null ? [] : [{ rule, spent, target }]
    })
    return (bytesOut, bytesIn) => {
      if (this.#jobBytesOutMax !== null && this.#jobBytesOut + bytesOut > this.#jobBytesOutMax) {
        throw usedUp(target, `the job has sent what it may send in all, ${this.#jobBytesOutMax} bytes`, null)
      }
      for (const one of limited) assertLeft({ ...one, bytesOut, bytesIn })
      this.#jobBytesOut += bytesOut
      return limited.reduce((waitMs, one) => Math.max(waitMs, this.#take({ ...one, bytesOut, bytesIn })), 0)
    }
  }

  #spentBy({ origin: { source, line, column, text }, budget }: EgressRule): Spent | null {
    if (budget.bytesOut === null && budget.bytesIn === null && budget.bytesPerSecond === null) return null
    const key = JSON.stringify([source, line, column, text])
    const spent = this.#rules.get(key) ?? { bytesOut: 0, bytesIn: 0, evenAtMs: 0 }
    this.#rules.set(key, spent)
    return spent
  }

  #take({ rule: { budget }, spent, bytesOut, bytesIn }: Taking): number {
    spent.bytesOut += bytesOut
    spent.bytesIn += bytesIn
    if (budget.bytesPerSecond === null) return 0
    const now = this.#now()
    spent.evenAtMs = Math.max(spent.evenAtMs, now) + ((bytesOut + bytesIn) * 1000) / budget.bytesPerSecond
    return Math.max(0, spent.evenAtMs - now - BURST_MS)
  }
}

/** @throws RefusedError */
function assertLeft({ rule, spent, target, bytesOut, bytesIn }: Taking): void {
  const { budget } = rule
  if (budget.bytesOut !== null && spent.bytesOut + bytesOut > budget.bytesOut) {
    throw usedUp(target, `the ${budget.bytesOut} bytes that the rule lets out are used up`, rule)
  }
  if (budget.bytesIn !== null && spent.bytesIn + bytesIn > budget.bytesIn) {
    throw usedUp(target, `the ${budget.bytesIn} bytes that the rule lets in are used up`, rule)
  }
}

interface Taking {
  readonly rule: EgressRule
  readonly spent: Spent
  readonly target: string
  readonly bytesOut: number
  readonly bytesIn: number
}

function usedUp(target: string, reason: string, rule: EgressRule | null): RefusedError {
  return new RefusedError({ code: 'budget', target, reason, rule: rule === null ? null : formatOrigin(rule.origin), remedy: null })
}
