// SPDX-License-Identifier: Apache-2.0
import type { WorkflowPlan } from '@sallyport/workflow'

/**
 * The `id:` that a job's own step has in the workflow file, or null. `key`: the engine's, e.g. `2`, `2.1` for a step of the action that step 2 uses, `2.post`
 * for its clean-up; all of them are step 2.
 */
export function stepIdOf(plan: WorkflowPlan, job: string, key: string): string | null {
  const number = Number(key.split('.', 1)[0])
  return plan.jobs.find(({ id }) => id === job)?.steps[number - 1]?.id ?? null
}
