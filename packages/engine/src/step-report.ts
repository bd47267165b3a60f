// SPDX-License-Identifier: Apache-2.0
import type { Conclusion } from './contract.ts'
import { type Attempt, type JobState, quotable } from './job-state.ts'

export interface StepLabel {
  readonly key: string
  /** Without secrets. */
  readonly name: string
  readonly number: number
  /** Names of the secrets that the step is given. */
  readonly secrets: readonly string[]
}

/** Reports the start; the returned function reports the end, once. */
export function reportStart(job: JobState, label: StepLabel): (attempt: Attempt, conclusion: Conclusion) => void {
  const { key, name, number, secrets } = label
  const startedMs = job.nowMs
  job.report({ type: 'step.started', job: job.instance.key, step: key, data: { name, number, secrets } })
  // Stands until the end is known: the sandbox can be lost meanwhile.
  job.results.set(key, { id: key, name, outcome: 'failure', conclusion: 'failure', durationMs: 0 })
  return (attempt, conclusion) => {
    const durationMs = job.nowMs - startedMs
    const { outcome, exitCode } = attempt
    const message = attempt.message === null ? null : quotable(job.input, attempt.message)
    job.results.set(key, { id: key, name, outcome, conclusion, durationMs })
    job.report({
      type: 'step.finished',
      job: job.instance.key,
      step: key,
      data: { name, number, outcome, conclusion, exitCode, durationMs, message },
    })
  }
}

export function reportSkipped(job: JobState, label: StepLabel, reason: string): void {
  const { key, name, number } = label
  job.results.set(key, { id: key, name, outcome: 'skipped', conclusion: 'skipped', durationMs: 0 })
  job.report({ type: 'step.skipped', job: job.instance.key, step: key, data: { name, number, reason } })
}
