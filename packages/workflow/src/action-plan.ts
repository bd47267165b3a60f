// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import type { Findings } from './findings.ts'
import type { ActionInput, ActionPlan, ConditionPlan, NodeRuns, TemplateNode } from './plan.ts'
import { toCondition, toSteps } from './step-plan.ts'
import { field, literalText, type NamedEntry, namedEntries } from './template-nodes.ts'

/** Untrusted: the file comes out of a job's workspace. Null when the problems in `findings` leave nothing to run. */
export function toActionPlan(file: string, root: TemplateNode, findings: Findings): ActionPlan | null {
  const runs = toRuns(field(root, 'runs'), findings)
  if (runs === null) return null
  return {
    file,
    name: literalText(field(root, 'name')) ?? file,
    inputs: namedEntries(field(root, 'inputs')).map(toInput),
    outputs: namedEntries(field(root, 'outputs')).map(({ name, value }) => ({ name, value: field(value, 'value') })),
    runs,
  }
}

function toInput({ name, value }: NamedEntry): ActionInput {
  return {
    name,
    required: literalText(field(value, 'required')) === 'true',
    default: field(value, 'default'),
    deprecationMessage: literalText(field(value, 'deprecationMessage')),
  }
}

function toRuns(runs: TemplateNode | null, findings: Findings): ActionPlan['runs'] | null {
  const usingNode = field(runs, 'using')
  const using = literalText(usingNode)
  if (runs === null || usingNode === null || using === null) return null
  if (using === 'docker') {
    findings.unsupported(
      usingNode.at,
      'actions that run in a container (using: docker) are not supported yet',
      'use a composite or JavaScript action',
    )
    return null
  }
  if (using === 'composite') {
    const steps = field(runs, 'steps')
    if (steps === null) findings.invalid(usingNode.at, 'a composite action has no steps', 'add steps:')
    return { using, steps: toSteps(steps, findings) }
  }
  return toNodeRuns(using, usingNode, runs, findings)
}

function toNodeRuns(using: string, usingNode: TemplateNode, runs: TemplateNode, findings: Findings): NodeRuns | null {
  const path = (key: string): string | null => {
    const node = field(runs, key)
    const text = literalText(node)
    if (node !== null && text !== null && (text.startsWith('/') || /[\u0000-\u001f\u007f]/.test(text))) {
      findings.invalid(node.at, `${quote(text)} is no path of a script`, 'write a path relative to the action')
    }
    return text
  }
  const main = path('main')
  if (main === null) {
    findings.invalid(usingNode.at, `an action with using: ${quote(using)} has no script`, 'add main:')
    return null
  }
  return { using, main, pre: path('pre'), preIf: hookCondition(runs, 'pre-if'), post: path('post'), postIf: hookCondition(runs, 'post-if') }
}

/** Unlike a step's `if`, these mean exactly what they say: without a status function they hold after a failure too. */
function hookCondition(runs: TemplateNode, key: string): ConditionPlan | null {
  const condition = toCondition(field(runs, key))
  if (condition === null || condition.callsStatusFunction) return condition
  return { ...condition, expression: `always() && (${condition.expression})`, callsStatusFunction: true }
}
