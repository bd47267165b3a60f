// SPDX-License-Identifier: Apache-2.0
import type { JobLimits } from '@sallyport/agent'
import { parseDurationMs, parseSize } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'
import { parseKeyValues } from './key-value.ts'
import { nearest } from './nearest.ts'

interface LimitRule {
  /** Null when the text is not a value of this kind. */
  readonly parse: (text: string) => number | null
  readonly kind: string
  readonly example: string
  readonly min: number
  readonly max: number
  readonly apply: (value: number) => Partial<JobLimits>
}

const GIB = 2 ** 30
const DAY_MS = 24 * 3600e3

/** The most is what the kernel's interfaces hold or a day, the least is what a shell needs to start. */
const RULES: Readonly<Record<string, LimitRule>> = {
  cpu: { parse: parseNumber, kind: 'a number of CPUs', example: '1.5', min: 0.01, max: 1024, apply: (cpu) => ({ cpu }) },
  memory: sizeRule('1GiB', 16 * 2 ** 20, 64 * 1024 * GIB, (bytes) => ({ memoryBytes: bytes, memorySwapBytes: bytes })),
  pids: countRule('512', 8, 4_194_304, (pids) => ({ pids })),
  disk: sizeRule('10GiB', 2 ** 20, 64 * 1024 * GIB, (diskBytes) => ({ diskBytes })),
  inodes: countRule('200000', 256, 2 ** 31, (diskInodes) => ({ diskInodes })),
  files: countRule('1024', 64, 1_048_576, (openFiles) => ({ openFiles })),
  time: { parse: parseDurationMs, kind: 'a duration', example: '30m', min: 1000, max: 7 * DAY_MS, apply: (timeMs) => ({ timeMs }) },
  output: sizeRule('64MiB', 1024, 1024 * GIB, (outputBytes) => ({ outputBytes })),
}

/** The keys of `--limit`, for its help. */
export const LIMIT_KEYS: readonly string[] = Object.keys(RULES)

export function parseLimits(texts: readonly string[]): Partial<JobLimits> {
  const limits = Object.entries(parseKeyValues('--limit', texts)).map(([key, text]) => parseLimit(key, text))
  return Object.assign({}, ...limits) as Partial<JobLimits>
}

function parseLimit(key: string, text: string): Partial<JobLimits> {
  const rule = Object.hasOwn(RULES, key) ? RULES[key] : undefined
  if (rule === undefined) {
    const near = nearest(key, LIMIT_KEYS)
    const hint = near === null ? `The limits are ${LIMIT_KEYS.join(', ')}` : `Did you mean "${near}"?`
    throw new UsageError('USAGE', `--limit: there is no limit "${key}"`, { hint })
  }
  const value = rule.parse(text)
  const hint = `Write for example --limit ${key}=${rule.example}`
  if (value === null) throw new UsageError('USAGE', `--limit ${key}: "${text}" is not ${rule.kind}`, { hint })
  if (value < rule.min) throw new UsageError('USAGE', `--limit ${key}: "${text}" is less than anything can run with`, { hint })
  if (value > rule.max) throw new UsageError('USAGE', `--limit ${key}: "${text}" is more than can be enforced`, { hint })
  return rule.apply(value)
}

function parseNumber(text: string): number | null {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : null
}

function parseCount(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null
}

function sizeRule(example: string, min: number, max: number, apply: LimitRule['apply']): LimitRule {
  return { parse: parseSize, kind: 'a size', example, min, max, apply }
}

function countRule(example: string, min: number, max: number, apply: LimitRule['apply']): LimitRule {
  return { parse: parseCount, kind: 'a whole number', example, min, max, apply }
}
