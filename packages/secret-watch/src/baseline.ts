// SPDX-License-Identifier: Apache-2.0
import type { Baseline, KnownReader, KnownSecret, SecretRead, UnusedGrant, WatchedGrant } from './contract.ts'

/** Workflows decide how many readers there are: the oldest are forgotten, and then count as new once more. */
const ENTRIES_MAX = 2048
/** Of a key: job and step ids are short, paths of secrets managers not always. */
const KEY_MAX = 2048
const COUNT_MAX = 1e9
export const HOURS = 24

export const EMPTY_BASELINE: Baseline = { runs: 0, readers: [], secrets: [], unused: [] }

/** A matrix job's key is its id and a text in brackets; an id has no space. */
export function jobIdOf(key: string): string {
  return key.split(' ', 1)[0] ?? key
}

/** Who reads what, from where, and how: another of these is another reader. */
export function readerKey({ secret, job, step, stepId, delivery, provider, path }: SecretRead): string {
  return keyOf([secret, jobIdOf(job), stepId ?? step, delivery, provider, path ?? ''])
}

export function grantKey({ secret, job, stepId }: WatchedGrant): string {
  return keyOf([secret, job, stepId])
}

function keyOf(parts: readonly string[]): string {
  return JSON.stringify(parts).slice(0, KEY_MAX)
}

/** The last `ENTRIES_MAX`. */
export function bounded<T>(entries: Iterable<T>): readonly T[] {
  return [...entries].slice(-ENTRIES_MAX)
}

/** What was written down, or null for anything else: a file that is damaged says nothing. */
export function parseBaseline(text: string): Baseline | null {
  const content = parseJson(text)
  if (!isRecord(content) || content['version'] !== 1) return null
  const { runs } = content
  const readers = listOf(content['readers'], readReader)
  const secrets = listOf(content['secrets'], readSecret)
  const unused = listOf(content['unused'], readUnused)
  if (!isCount(runs) || readers === null || secrets === null || unused === null) return null
  return { runs, readers, secrets, unused }
}

export function formatBaseline(baseline: Baseline): string {
  return `${JSON.stringify({ version: 1, ...baseline })}\n`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function readReader(item: Readonly<Record<string, unknown>>): KnownReader | null {
  const { key, count } = item
  return isKey(key) && isCount(count) ? { key, count } : null
}

function readSecret(item: Readonly<Record<string, unknown>>): KnownSecret | null {
  const { name, reads, hours, burst } = item
  const areHours = Array.isArray(hours) && hours.length === HOURS && hours.every(isCount)
  return isKey(name) && isCount(reads) && areHours && isCount(burst) ? { name, reads, hours, burst } : null
}

function readUnused(item: Readonly<Record<string, unknown>>): UnusedGrant | null {
  const { key, runs } = item
  return isKey(key) && isCount(runs) ? { key, runs } : null
}

function listOf<T>(value: unknown, read: (item: Readonly<Record<string, unknown>>) => T | null): readonly T[] | null {
  if (!Array.isArray(value) || value.length > ENTRIES_MAX) return null
  const items = value.map((item) => (isRecord(item) ? read(item) : null))
  return items.every((item) => item !== null) ? items : null
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const isKey = (value: unknown): value is string => typeof value === 'string' && value.length <= KEY_MAX

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= COUNT_MAX
