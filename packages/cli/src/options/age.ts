// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'

const DAY_MS = 24 * 3600_000

/** Milliseconds; durations as elsewhere, and days. */
export function parseAge(option: string, text: string): number {
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  const ms = days === undefined ? parseDurationMs(text) : Number(days) * DAY_MS
  if (ms !== null) return ms
  throw new UsageError('USAGE', `${option}: "${text}" is not an age`, { hint: `Write for example ${option} 7d, or ${option} 12h` })
}
