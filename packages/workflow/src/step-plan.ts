// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import { callsStatusFunction, parseExpression } from './expression-syntax.ts'
import type { Findings } from './findings.ts'
import type { ActionReference, ConditionPlan, RunStepPlan, SourcePosition, StepPlan, TemplateNode, UsesStepPlan } from './plan.ts'
import { checkCheckoutInputs, checkShell } from './refusals.ts'
import { referencedSecrets } from './secret-references.ts'
import { field, literalText } from './template-nodes.ts'
import { EVERY_NAME } from './vocabulary.ts'

const ID_LENGTH_MAX = 100

/** The steps of a job or of a composite action. */
export function toSteps(steps: TemplateNode | null, findings: Findings): StepPlan[] {
  const ids = new Map<string, SourcePosition>()
  const items = steps?.kind === 'sequence' ? steps.items : []
  return items.flatMap((item) => {
    checkStepId(field(item, 'id'), ids, findings)
    const step = toStep(item, findings)
    return step === null ? [] : [step]
  })
}

function checkStepId(node: TemplateNode | null, ids: Map<string, SourcePosition>, findings: Findings): void {
  const id = literalText(node)
  if (node === null || id === null) return
  checkId(id, node.at, 'step', findings)
  const first = ids.get(id.toLowerCase())
  if (first !== undefined) findings.invalid(node.at, `the step id ${quote(id)} stands here twice`, `the first is in line ${first.line}`)
  else ids.set(id.toLowerCase(), node.at)
}

export function checkId(id: string, at: SourcePosition, what: 'step' | 'job', findings: Findings): void {
  const hint = 'use letters, digits, - and _, and begin with a letter or _'
  if (!/^[a-z_][a-z0-9_-]*$/i.test(id)) findings.invalid(at, `${quote(id)} is no valid ${what} id`, hint)
  else if (id.length >= ID_LENGTH_MAX)
    findings.invalid(at, `the ${what} id ${quote(id)} is too long`, `at most ${ID_LENGTH_MAX - 1} characters`)
  else if (id.startsWith('__')) findings.invalid(at, `the ${what} id ${quote(id)} is reserved`, 'begin with a letter or one _')
}

/** Null when the schema has already refused the step's shape. */
function toStep(item: TemplateNode, findings: Findings): StepPlan | null {
  const parallel = field(item, 'parallel')
  if (parallel !== null) findings.unsupported(item.at, 'steps in parallel (parallel) are not supported', 'write them one after another')
  const common = {
    id: literalText(field(item, 'id')),
    name: field(item, 'name'),
    if: toCondition(field(item, 'if')),
    env: field(item, 'env'),
    continueOnError: field(item, 'continue-on-error'),
    timeoutMinutes: field(item, 'timeout-minutes'),
    secrets: referencedSecrets([item]),
    at: item.at,
  }
  checkTimeout(common.timeoutMinutes, findings)
  const run = field(item, 'run')
  const uses = field(item, 'uses')
  if (run !== null) return toRunStep(item, run, common, findings)
  if (uses === null) return null
  const reference = toActionReference(uses, findings)
  const inputs = field(item, 'with')
  if (reference?.kind === 'checkout') checkCheckoutInputs(inputs, findings)
  return reference === null ? null : { ...common, kind: 'uses', uses: reference, with: inputs }
}

type Common = Omit<UsesStepPlan, 'kind' | 'uses' | 'with'>

function toRunStep(item: TemplateNode, run: TemplateNode, common: Common, findings: Findings): RunStepPlan {
  const shell = field(item, 'shell')
  checkShell(shell, findings)
  return { ...common, kind: 'run', run, shell, workingDirectory: field(item, 'working-directory') }
}

export function checkTimeout(node: TemplateNode | null, findings: Findings): void {
  if (node?.kind !== 'literal' || typeof node.value !== 'number' || node.value > 0) return
  findings.invalid(node.at, `a time limit of ${node.value} minutes is not possible`, 'write a number above 0')
}

/** The condition's text; an empty one means the same as none. */
export function toCondition(node: TemplateNode | null): ConditionPlan | null {
  if (node?.kind !== 'expression') return null
  const parsed = parseExpression(node.expression, EVERY_NAME)
  return { expression: node.expression, callsStatusFunction: parsed.fault === null && callsStatusFunction(parsed.tree), at: node.at }
}

/** Untrusted in an action's file: a path must stay inside of the workspace by its text already. */
function toActionReference(node: TemplateNode, findings: Findings): ActionReference | null {
  const text = literalText(node)
  if (text === null) return null
  const { at } = node
  if (text.startsWith('./')) return toLocalReference(text, at, findings)
  if (text.startsWith('docker://')) {
    findings.unsupported(at, `${quote(text)}: containers as steps are not supported yet`, 'call the program in a run step')
    return null
  }
  const parts = /^([\w.-]+)\/([\w.-]+)((?:\/[\w.-]+)*)@(\S+)$/.exec(text)
  if (parts === null) {
    findings.invalid(at, `${quote(text)} names no action`, referenceHint(text))
    return null
  }
  const [, owner = '', repository = '', path = '', ref = ''] = parts
  if (`${owner}/${repository}${path}`.toLowerCase() === 'actions/checkout') return { kind: 'checkout', ref, at }
  findings.unsupported(
    at,
    `the action ${quote(text)} would have to be fetched, which is not supported yet`,
    'only actions/checkout and local actions (./path) run',
  )
  return null
}

function referenceHint(text: string): string {
  if (text.startsWith('../')) return 'a local action is written ./path, from the top of the workspace'
  if (/^[\w.-]+\/[\w.-]+(\/[\w.-]+)*$/.test(text)) return `add a version: ${text.slice(0, 60)}@v1`
  return 'write ./path or owner/repository@ref'
}

function toLocalReference(text: string, at: SourcePosition, findings: Findings): ActionReference | null {
  if (text.split('/').includes('..') || /[\u0000-\u001f\u007f]/.test(text)) {
    findings.invalid(at, `the path ${quote(text)} of a local action leaves the workspace`, 'write a path below it, without ..')
    return null
  }
  return { kind: 'local', path: text, at }
}
