// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs, parseSize } from './units.ts'

export type LimitName = 'cpu' | 'memory' | 'pids' | 'disk' | 'inodes' | 'files' | 'time' | 'output'

/** How a limit of a job is written, on the command line and in files. */
export interface LimitRule {
  /** Null when the text is not a value of this kind. */
  readonly parse: (text: string) => number | null
  readonly kind: string
  readonly example: string
  readonly min: number
  readonly max: number
}

const GIB = 2 ** 30
const DAY_MS = 24 * 3600e3

/** In CPUs, bytes, milliseconds, or a count. The most is what the kernel's interfaces hold or a week, the least is what a shell needs to start. */
export const LIMIT_RULES: Readonly<Record<LimitName, LimitRule>> = {
  cpu: { parse: parseNumber, kind: 'a number of CPUs', example: '1.5', min: 0.01, max: 1024 },
  memory: { parse: parseSize, kind: 'a size', example: '1GiB', min: 16 * 2 ** 20, max: 64 * 1024 * GIB },
  pids: { parse: parseCount, kind: 'a whole number', example: '512', min: 8, max: 4_194_304 },
  disk: { parse: parseSize, kind: 'a size', example: '10GiB', min: 2 ** 20, max: 64 * 1024 * GIB },
  inodes: { parse: parseCount, kind: 'a whole number', example: '200000', min: 256, max: 2 ** 31 },
  files: { parse: parseCount, kind: 'a whole number', example: '1024', min: 64, max: 1_048_576 },
  time: { parse: parseDurationMs, kind: 'a duration', example: '30m', min: 1000, max: 7 * DAY_MS },
  output: { parse: parseSize, kind: 'a size', example: '64MiB', min: 1024, max: 1024 * GIB },
}

/** The value, or what is wrong with the text, to stand after it: `is not a size`. */
export function parseLimit(name: LimitName, text: string): { readonly value: number } | { readonly flaw: string } {
  const { parse, kind, min, max } = LIMIT_RULES[name]
  const value = parse(text)
  if (value === null) return { flaw: `is not ${kind}` }
  if (value < min) return { flaw: 'is less than anything can run with' }
  return value > max ? { flaw: 'is more than can be enforced' } : { value }
}

function parseNumber(text: string): number | null {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : null
}

function parseCount(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null
}
