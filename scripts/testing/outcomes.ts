// SPDX-License-Identifier: Apache-2.0
import type { RawEvent } from './event-reporter.ts'

export interface Failure {
  /** Suites and test, outermost first. */
  readonly name: string
  readonly line: number | undefined
  readonly text: string
}

export interface Skip {
  readonly name: string
  readonly reason: string
}

/** What one test file came to. */
export interface Outcome {
  readonly passed: number
  readonly failures: readonly Failure[]
  readonly skips: readonly Skip[]
}

/** How the file's process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: string | null
  /** Set when we ended it: says why. */
  readonly stopped: string | undefined
}

/**
 * Turns the reporter's lines into counts. Strict on purpose: a file without tests, a test that started and never ended, a skip
 * without a reason, a test marked as to do that passes, and an exit code without a failed test are failures.
 */
export function outcomeOf(events: readonly RawEvent[], ending: Ending): Outcome {
  const failures: Failure[] = []
  const skips: Skip[] = []
  const open: string[] = []
  let passed = 0
  for (const event of events) {
    if (event.type === 'test:start') open[event.nesting ?? 0] = event.name ?? ''
    if (event.type === 'test:diagnostic' && /asynchronous activity after the test ended/.test(event.message ?? '')) {
      failures.push({ name: '(after a test ended)', line: undefined, text: event.message ?? '' })
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    open.length = (event.nesting ?? 0) + 1
    const name = open.join(' > ')
    open.length -= 1
    const judged = judge(event)
    if (judged === 'pass') passed += 1
    else if (judged !== 'ignore' && 'reason' in judged) skips.push({ name, reason: judged.reason })
    else if (judged !== 'ignore') failures.push({ name, line: event.line, text: judged.text })
  }
  if (failures.length === 0) failures.push(...fileFailures(events, ending, open))
  return { passed, failures, skips }
}

type Judgement = 'pass' | 'ignore' | { readonly reason: string } | { readonly text: string }

function judge(event: RawEvent): Judgement {
  const failed = event.type === 'test:fail'
  // What failed inside is counted there
  if (failed && event.failureType === 'subtestsFailed') return 'ignore'
  if (event.skip !== undefined && event.skip !== false && !failed) {
    return typeof event.skip === 'string' && event.skip !== '' ? { reason: event.skip } : { text: 'skipped without a reason' }
  }
  if (event.todo !== undefined && event.todo !== false) {
    return failed ? { reason: `to do: ${event.todo}` } : { text: 'marked as to do, but it passes: remove the mark' }
  }
  if (failed) return { text: event.error ?? 'failed without an error' }
  return event.kind === 'suite' ? 'ignore' : 'pass'
}

function fileFailures(events: readonly RawEvent[], ending: Ending, open: readonly string[]): Failure[] {
  const failure = (text: string): Failure[] => [{ name: open.length > 0 ? open.join(' > ') : '(the file)', line: undefined, text }]
  if (ending.stopped !== undefined) return failure(ending.stopped)
  if (ending.signal !== null) return failure(`its process was killed by ${ending.signal}`)
  if (!events.some((event) => event.type === 'test:start')) return failure(`it ran no test (exit code ${ending.code})`)
  if (!events.some((event) => event.type === 'test:summary'))
    return failure(`its process ended (exit code ${ending.code}) before its tests did`)
  if (ending.code !== 0) return failure(`all its tests passed, but its process ended with exit code ${ending.code}`)
  return []
}
