// SPDX-License-Identifier: Apache-2.0
import { contextUses, parseExpression } from './expression-syntax.ts'
import type { JobPlan, RunDefaults, StepPlan, TemplateNode, WorkflowPlan } from './plan.ts'
import { EVERY_NAME } from './vocabulary.ts'

/** No forge issues this one here: it is always empty, and nothing has to be delivered. */
const NEVER_DELIVERED = 'GITHUB_TOKEN'

/** Names of all secrets in the expressions below these nodes: upper case, sorted, each once. */
export function referencedSecrets(nodes: readonly (TemplateNode | null)[]): string[] {
  const names = new Set<string>()
  for (const node of nodes) if (node !== null) collect(node, names)
  return [...names].sort()
}

/**
 * All secrets that a step can see: those of its own text and those of the `env` and `defaults`
 * that it inherits from its job and workflow.
 */
export function secretsOfStep(workflow: WorkflowPlan, job: JobPlan, step: StepPlan): string[] {
  const inherited = [workflow.env, ...defaultNodes(workflow.defaults), job.env, ...defaultNodes(job.defaults)]
  return [...new Set([...step.secrets, ...referencedSecrets(inherited)])].sort()
}

function defaultNodes(defaults: RunDefaults): (TemplateNode | null)[] {
  return [defaults.shell, defaults.workingDirectory]
}

function collect(node: TemplateNode, names: Set<string>): void {
  switch (node.kind) {
    case 'literal':
      return
    case 'expression':
      for (const name of secretsOfExpression(node.expression)) names.add(name)
      return
    case 'sequence':
      for (const item of node.items) collect(item, names)
      return
    case 'mapping':
      for (const { key, value } of node.entries) {
        collect(key, names)
        collect(value, names)
      }
  }
}

function secretsOfExpression(expression: string): string[] {
  const parsed = parseExpression(expression, EVERY_NAME)
  if (parsed.fault !== null) return []
  return contextUses(parsed.tree).flatMap(({ context, property }) => {
    const name = context === 'secrets' ? property?.toUpperCase() : undefined
    return name === undefined || name === NEVER_DELIVERED ? [] : [name]
  })
}
