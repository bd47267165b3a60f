// SPDX-License-Identifier: Apache-2.0
import type { WorkflowPlan } from '@sallyport/workflow'
import { findWorkflowFiles, type ReadWorkflow, readWorkflows } from '../claim/workflow-files.ts'

/** The plans of all workflows; null where one has none, so that nobody knows its jobs. */
export function knownPlans(workflows: readonly ReadWorkflow[]): readonly WorkflowPlan[] | null {
  const plans = workflows.flatMap(({ plan }) => plan ?? [])
  return plans.length === workflows.length ? plans : null
}

/** As {@link knownPlans}; null also where workflow files are missing or invalid, which is not what is looked for here. */
export async function readKnownPlans(repository: string): Promise<readonly WorkflowPlan[] | null> {
  try {
    return knownPlans(await readWorkflows(repository, await findWorkflowFiles(repository, [])))
  } catch {
    // `run` says what is wrong with them.
    return null
  }
}
