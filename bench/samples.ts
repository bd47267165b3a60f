// SPDX-License-Identifier: Apache-2.0
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'

/** How a program is started, or why it cannot be. */
export type Command = { readonly argv: readonly string[] } | { readonly missing: string }

export interface Contender {
  readonly name: string
  readonly command: Command
  /** What a reader has to know of the figure. */
  readonly note?: string
}

export interface Sample {
  readonly name: string
  /** NaN when the program is missing or failed. */
  readonly medianMs: number
  readonly note?: string
}

const attemptTimeLimitMs = 30_000

/**
 * The wall time of each whole process, as the median of `repeats` interleaved rounds: what disturbs the machine disturbs all alike.
 * Every one is started in `directory`, an empty one: ours copies it. A contender that fails its first round is named as missing with its own words, never timed.
 */
export function sampleAll(contenders: readonly Contender[], repeats: number, directory: string): Sample[] {
  const tried = contenders.map((contender) => ({ ...contender, missing: whyMissing(contender.command, directory), times: [] as number[] }))
  for (let round = 0; round < repeats; round++) {
    for (const { command, missing, times } of tried) {
      if (missing === undefined && 'argv' in command) times.push(timeOnce(command.argv, directory))
    }
  }
  return tried.map(({ name, missing, times, note }) =>
    missing === undefined
      ? { ...(note === undefined ? {} : { note }), ...toSample(name, times) }
      : { name, medianMs: Number.NaN, note: `missing: ${missing}` },
  )
}

/** A run that failed is quicker than one that works: no figure is better than a wrong one. */
function toSample(name: string, times: readonly number[]): Sample {
  const failed = times.filter(Number.isNaN).length
  return failed === 0
    ? { name, medianMs: medianOf(times) }
    : { name, medianMs: Number.NaN, note: `${failed} of ${times.length} runs failed` }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

function whyMissing(command: Command, directory: string): string | undefined {
  if ('missing' in command) return command.missing
  const answer = start(command.argv, directory, 'pipe')
  if (answer.status === 0) return undefined
  const words = `${answer.error?.message ?? ''}${answer.stderr ?? ''}`.trim().split('\n')[0]
  return `it fails here (${answer.status === null ? answer.signal : `code ${answer.status}`}): ${words}`.slice(0, 140)
}

function timeOnce(argv: readonly string[], directory: string): number {
  const startedMs = performance.now()
  const { status } = start(argv, directory, 'ignore')
  const elapsedMs = performance.now() - startedMs
  return status === 0 ? elapsedMs : Number.NaN
}

function start([program = '', ...rest]: readonly string[], cwd: string, output: 'pipe' | 'ignore'): SpawnSyncReturns<string> {
  return spawnSync(program, rest, { stdio: ['ignore', output, output], encoding: 'utf8', cwd, timeout: attemptTimeLimitMs })
}
