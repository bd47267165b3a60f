// SPDX-License-Identifier: Apache-2.0
import type { JobLimits } from '@sallyport/agent'
import { LIMIT_RULES, type LimitName, parseLimit } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'
import { parseKeyValues } from './key-value.ts'
import { nearest } from './nearest.ts'

/** The keys of `--limit`, for its help. */
export const LIMIT_KEYS: readonly string[] = Object.keys(LIMIT_RULES)

const APPLY: Readonly<Record<LimitName, (value: number) => Partial<JobLimits>>> = {
  cpu: (cpu) => ({ cpu }),
  memory: (bytes) => ({ memoryBytes: bytes, memorySwapBytes: bytes }),
  pids: (pids) => ({ pids }),
  disk: (diskBytes) => ({ diskBytes }),
  inodes: (diskInodes) => ({ diskInodes }),
  files: (openFiles) => ({ openFiles }),
  time: (timeMs) => ({ timeMs }),
  output: (outputBytes) => ({ outputBytes }),
}

export function parseLimits(texts: readonly string[]): Partial<JobLimits> {
  const limits = Object.entries(parseKeyValues('--limit', texts)).map(([key, text]) => readLimit(key, text))
  return Object.assign({}, ...limits) as Partial<JobLimits>
}

function readLimit(key: string, text: string): Partial<JobLimits> {
  if (!isLimitName(key)) {
    const near = nearest(key, LIMIT_KEYS)
    const hint = near === null ? `The limits are ${LIMIT_KEYS.join(', ')}` : `Did you mean "${near}"?`
    throw new UsageError('USAGE', `--limit: there is no limit "${key}"`, { hint })
  }
  const parsed = parseLimit(key, text)
  if ('value' in parsed) return APPLY[key](parsed.value)
  const hint = `Write for example --limit ${key}=${LIMIT_RULES[key].example}`
  throw new UsageError('USAGE', `--limit ${key}: "${text}" ${parsed.flaw}`, { hint })
}

function isLimitName(key: string): key is LimitName {
  return Object.hasOwn(LIMIT_RULES, key)
}
