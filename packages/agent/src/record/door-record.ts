// SPDX-License-Identifier: Apache-2.0
import type { DoorUse, Refusal } from '@sallyport/access'
import type { Doors } from '../contract.ts'

/** Of each kind in one document: jobs choose how many names they look for. The journal has those that are too many here. */
const KEPT_MAX = 5000

/** Every way out of a run's jobs that was used, and every one that was refused. */
export class DoorRecord {
  readonly #observed: boolean
  readonly #used: Doors['used'][number][] = []
  readonly #refused: Doors['refused'][number][] = []

  /** `observed`: nothing was blocked. */
  constructor(observed: boolean) {
    this.#observed = observed
  }

  /** False when there are too many to keep this one. */
  addUsed(job: string, step: string, use: DoorUse): boolean {
    return keep(this.#used, { ...use, job, step })
  }

  /** `step`: null for what belonged to no running step. False when there are too many to keep this one. */
  addRefused(job: string, step: string | null, refusal: Refusal, count: number): boolean {
    return keep(this.#refused, { ...refusal, job, step, count })
  }

  get doors(): Doors {
    return { observed: this.#observed, used: this.#used, refused: this.#refused }
  }
}

function keep<T>(list: T[], item: T): boolean {
  if (list.length >= KEPT_MAX) return false
  list.push(item)
  return true
}
