// SPDX-License-Identifier: Apache-2.0
import type { AccessLimits } from '@sallyport/access'
import { effectiveLimits } from '../admit/limits.ts'

type LimitKey = keyof AccessLimits

const KEYS: readonly LimitKey[] = ['cpu', 'memoryBytes', 'pids', 'diskBytes', 'timeMs']

/** Those that are more than a job gets anyway: only they are asked for. */
export function raisedLimits(limits: AccessLimits): AccessLimits {
  const defaults = effectiveLimits({})
  return pick(limits, (key, value) => value > defaults[key])
}

/** Those that are more than the operator allows. */
export function cutLimits(limits: AccessLimits, most: AccessLimits): AccessLimits {
  return pick(limits, (key, value) => value > (most[key] ?? Number.POSITIVE_INFINITY))
}

function pick(limits: AccessLimits, chosen: (key: LimitKey, value: number) => boolean): AccessLimits {
  const entries = KEYS.map((key) => [key, limits[key]] as const)
  return Object.fromEntries(entries.filter(([key, value]) => value !== undefined && chosen(key, value)))
}
