// SPDX-License-Identifier: Apache-2.0
import { referencedNames } from './context-references.ts'
import type { JobPlan, RunDefaults, StepPlan, TemplateNode, WorkflowPlan } from './plan.ts'

/** No forge issues this one here: it is always empty, and nothing has to be delivered. */
const NEVER_DELIVERED = 'GITHUB_TOKEN'

/** Names of all secrets in the expressions below these nodes: upper case, sorted, each once. */
export function referencedSecrets(nodes: readonly (TemplateNode | null)[]): string[] {
  const names = new Set(referencedNames('secrets', nodes).map((name) => name.toUpperCase()))
  names.delete(NEVER_DELIVERED)
  return [...names].sort()
}

/**
 * All secrets that a step can see: those of its own text and those of the `env` and `defaults`
 * that it inherits from its job and workflow, and of its container's `env`.
 */
export function secretsOfStep(workflow: WorkflowPlan, job: JobPlan, step: StepPlan): string[] {
  const inherited = [workflow.env, ...defaultNodes(workflow.defaults), job.env, ...defaultNodes(job.defaults), job.container?.env ?? null]
  return [...new Set([...step.secrets, ...referencedSecrets(inherited)])].sort()
}

function defaultNodes(defaults: RunDefaults): (TemplateNode | null)[] {
  return [defaults.shell, defaults.workingDirectory]
}
