// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'

const RUN_ID = /^[a-z0-9][a-z0-9-]{0,63}$/

/** An id such as `20261122-201501-ab12cd`: sorts by time (UTC, seconds), 24 random bits tell the rest apart. */
export function newRunId(now: Date = new Date(), random: Uint8Array = randomBytes(3)): string {
  const stamp = now.toISOString().replace(/[-:]/g, '')
  return `${stamp.slice(0, 8)}-${stamp.slice(9, 15)}-${Buffer.from(random).toString('hex')}`
}

/** Ids become directory names: nothing that could leave the directory is one. */
export function isRunId(text: string): boolean {
  return RUN_ID.test(text)
}
