// SPDX-License-Identifier: Apache-2.0
import type { FileResult } from './run-file.ts'

export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export function totalsOf(results: readonly FileResult[]): Totals {
  const sum = (count: (result: FileResult) => number): number => results.reduce((total, result) => total + count(result), 0)
  return {
    passed: sum(({ outcome }) => outcome.passed),
    failed: sum(({ outcome }) => outcome.failures.length),
    skipped: sum(({ outcome }) => outcome.skips.length),
  }
}

/** The last line of a run; `.ci/run` and people read it. */
export function countLine({ passed, failed, skipped }: Totals): string {
  const line = `${passed} passed, ${failed} failed`
  return skipped === 0 ? line : `${line}, ${skipped} skipped`
}

/** One line for a file that passed; everything there is to know for one that failed. */
export function describeFile({ file, outcome, durationMs, output }: FileResult): string {
  const counts = countLine({ passed: outcome.passed, failed: outcome.failures.length, skipped: outcome.skips.length })
  const head = `${outcome.failures.length === 0 ? 'ok  ' : 'FAIL'} ${file}: ${counts} (${(durationMs / 1000).toFixed(1)} s)`
  if (outcome.failures.length === 0) return head
  const failures = outcome.failures.map(
    ({ name, line, text }) => `  ✖ ${name}${line === undefined ? '' : ` (line ${line})`}\n${indent(text)}`,
  )
  const printed = output.trim() === '' ? [] : [`  what it printed (at most the last 64 KiB):\n${indent(output.trimEnd())}`]
  return [head, ...failures, ...printed].join('\n')
}

export function describeSkips(results: readonly FileResult[]): string[] {
  return results.flatMap(({ file, outcome }) => outcome.skips.map(({ name, reason }) => `skipped: ${file}: ${name}: ${reason}`))
}

const REASON_MAX = 600

/** A line for each failure, for the end of a long run, where it is looked for first: what there is to know stands with its file, further up. */
export function describeFailures(results: readonly FileResult[]): string[] {
  return results.flatMap(({ file, outcome }) =>
    outcome.failures.map(({ name, line, text }) => {
      const place = line === undefined ? file : `${file}:${line}`
      return `failed: ${place}: ${name}: ${text
        .trim()
        .replace(/\s*\n\s*/g, ' | ')
        .slice(0, REASON_MAX)}`
    }),
  )
}

function indent(text: string): string {
  return text.replace(/^/gm, '      ')
}
