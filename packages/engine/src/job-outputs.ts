// SPDX-License-Identifier: Apache-2.0
import { referencedSecrets } from '@sallyport/workflow'
import { secretsContext } from './contexts.ts'
import { EngineError } from './errors.ts'
import { evaluateTexts, scope } from './evaluation.ts'
import { type JobState, warn } from './job-state.ts'
import { mapOf } from './json.ts'

/** GitHub's documented limits: of all outputs of a job, and of a run; counted as UTF-16. */
const JOB_OUTPUT_BYTES_MAX = 1024 * 1024
const RUN_OUTPUT_BYTES_MAX = 50 * 1024 * 1024

export interface JobOutputs {
  readonly values: Readonly<Record<string, string>>
  readonly bytes: number
}

/**
 * A job's `outputs`. One that holds a secret is dropped with a warning: outputs go to other jobs and into the record.
 *
 * @throws EngineError for a bad expression, and ENGINE_LIMIT when they are too large.
 */
export function jobOutputs(job: JobState, runBytes: number): JobOutputs {
  const { input, plan, root } = job
  const contexts = {
    ...job.contexts,
    env: mapOf(job.env),
    job: { status: root.status },
    steps: mapOf(root.steps),
    runner: input.runner,
    inputs: root.inputs,
    secrets: secretsContext(input, referencedSecrets([plan.outputs])),
  }
  const kept = [...evaluateTexts(plan.outputs, scope(contexts))].filter(([name, value]) => {
    const isSafe = !input.containsSecret(value)
    if (!isSafe) warn(job, null, `output ${name} is dropped: it holds a secret`)
    return isSafe
  })
  const bytes = kept.reduce((sum, [name, value]) => sum + 2 * (name.length + value.length), 0)
  checkLimit(plan.id, bytes, JOB_OUTPUT_BYTES_MAX, 'a job')
  checkLimit(plan.id, runBytes + bytes, RUN_OUTPUT_BYTES_MAX, 'all jobs of a run')
  return { values: Object.fromEntries(kept), bytes }
}

function checkLimit(id: string, bytes: number, max: number, whose: string): void {
  if (bytes <= max) return
  throw new EngineError(
    'ENGINE_LIMIT',
    `Cannot keep the outputs of job ${id}: they make ${bytes} bytes, the outputs of ${whose} can have ${max}`,
  )
}
