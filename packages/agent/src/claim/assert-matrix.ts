// SPDX-License-Identifier: Apache-2.0
import { type EngineInput, type Json, previewMatrix } from '@sallyport/engine'
import { AgentError } from '../agent-error.ts'

/**
 * `--matrix` names a combination that exists, as far as that is known before the run: a matrix made from another job's outputs may hold
 * anything.
 *
 * @throws AgentError JOB_UNKNOWN with what there is.
 */
export function assertMatrixKnown(inputs: readonly EngineInput[], wanted: Readonly<Record<string, string>>): void {
  if (Object.keys(wanted).length === 0) return
  const known: string[] = []
  for (const input of inputs) {
    for (const job of jobsToRun(input)) {
      const combinations = previewMatrix(input, job)
      if (combinations === null || combinations.some((values) => holds(values, wanted))) return
      known.push(...combinations.flatMap((values) => Object.entries(values).map(([key, value]) => `${key}=${plain(value)}`)))
    }
  }
  const asked = Object.entries(wanted).map(([key, value]) => `${key}=${value}`)
  const there = [...new Set(known)].slice(0, 30).join(', ') || 'no job has a matrix'
  throw new AgentError('JOB_UNKNOWN', `Cannot run with --matrix ${asked.join(' --matrix ')}: no job has that combination (${there})`)
}

/** `--job` and all that it needs: the combination may be one of theirs. */
function jobsToRun({ workflow, onlyJob }: EngineInput): EngineInput['workflow']['jobs'] {
  if (onlyJob === null) return workflow.jobs
  const wanted = new Set([onlyJob])
  // A set hands out what is added while it is walked.
  for (const id of wanted) for (const needed of workflow.jobs.find((job) => job.id === id)?.needs ?? []) wanted.add(needed)
  return workflow.jobs.filter(({ id }) => wanted.has(id))
}

function holds(values: { readonly [key: string]: Json }, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => key in values && plain(values[key] ?? null) === value)
}

function plain(value: Json): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
