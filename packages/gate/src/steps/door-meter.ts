// SPDX-License-Identifier: Apache-2.0
import { type Meter, type MeteredDoor, RefusedError } from '../ports.ts'
import type { Budgets } from './budgets.ts'
import type { DoorCounts, DoorReport } from './door-report.ts'

/** Node takes a longer time for none at all; so far ahead everything of the job has ended. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** One connection's bytes through one door. Making one counts the connection. */
export class DoorMeter implements Meter {
  readonly #take: (bytesOut: number, bytesIn: number) => number
  readonly #report: DoorReport
  readonly #door: DoorCounts
  /** A job may make and break connections under a rate that is used up for days. */
  readonly #waiting = new Set<NodeJS.Timeout>()

  constructor(door: MeteredDoor, budgets: Budgets, report: DoorReport) {
    this.#take = budgets.account([door.rule, door.ceiling], formatPlace(door.host, door.port))
    this.#report = report
    this.#door = report.connected(door)
  }

  out(bytes: number): Promise<void> | undefined {
    return this.#count(bytes, 0)
  }

  in(bytes: number): Promise<void> | undefined {
    return this.#count(0, bytes)
  }

  close(): void {
    for (const timer of this.#waiting) clearTimeout(timer)
    this.#waiting.clear()
  }

  #count(bytesOut: number, bytesIn: number): Promise<void> | undefined {
    const waitMs = this.#spend(bytesOut, bytesIn)
    this.#report.count(this.#door, bytesOut, bytesIn)
    return waitMs === 0 ? undefined : this.#wait(waitMs)
  }

  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          this.#waiting.delete(timer)
          resolve()
        },
        Math.min(waitMs, TIMER_MS_MAX),
      )
      this.#waiting.add(timer)
    })
  }

  #spend(bytesOut: number, bytesIn: number): number {
    try {
      return this.#take(bytesOut, bytesIn)
    } catch (error) {
      if (error instanceof RefusedError) this.#alert(error, bytesOut > 0 ? this.#door.bytesOut : this.#door.bytesIn)
      throw error
    }
  }

  /** `bytes`: what went through this door until then, in the direction that is used up. */
  #alert({ refusal }: RefusedError, bytes: number): void {
    this.#report.alert('budget', `${refusal.target}: ${refusal.reason}`, bytes)
  }
}

/** `host:port`, with brackets around IPv6. */
export function formatPlace(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
