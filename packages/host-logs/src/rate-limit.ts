// SPDX-License-Identifier: Apache-2.0
import type { HostRecordClass } from './contract.ts'

/** At once, of one class. */
const BURST = 64
const PER_SECOND = 4
/** Of one class in one run. */
const IN_ALL = 8192

interface Bucket {
  left: number
  atMs: number
  taken: number
}

/** How many records of a class are taken. What a job repeats says nothing new, and fills the log that others need. */
export class RateLimit {
  readonly #buckets = new Map<HostRecordClass, Bucket>()

  takes(recordClass: HostRecordClass, nowMs: number): boolean {
    const bucket = this.#buckets.get(recordClass) ?? { left: BURST, atMs: nowMs, taken: 0 }
    this.#buckets.set(recordClass, bucket)
    bucket.left = Math.min(BURST, bucket.left + ((nowMs - bucket.atMs) * PER_SECOND) / 1000)
    bucket.atMs = nowMs
    if (bucket.left < 1 || bucket.taken >= IN_ALL) return false
    bucket.left -= 1
    bucket.taken += 1
    return true
  }
}
