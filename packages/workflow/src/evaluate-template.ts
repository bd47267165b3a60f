// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import { type ExpressionScope, evaluateWithin } from './evaluate-expression.ts'
import { EvaluationBudget } from './expression-limits.ts'
import { type Json, setOwn } from './json.ts'
import type { ConditionPlan, SourcePosition, TemplateNode } from './plan.ts'
import { WorkflowError } from './problem.ts'
import { INSERT } from './template-nodes.ts'

/**
 * The value of a node with everything in it. All its expressions share one set of limits.
 * @throws WorkflowError EXPRESSION_INVALID; what a function of the scope throws comes out untouched.
 */
export function evaluateTemplate(node: TemplateNode, scope: ExpressionScope): Json {
  return evaluateNode(node, scope, new EvaluationBudget())
}

/** A name, script or label as text: null is empty, numbers and booleans are written out; a list or mapping is an error. */
export function evaluateToString(node: TemplateNode, scope: ExpressionScope): string {
  return toText(evaluateTemplate(node, scope), node.at)
}

/** `env:` and `with:`: names to text, in the order of the file. */
export function evaluateToStrings(node: TemplateNode | null, scope: ExpressionScope): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  const value = node === null ? null : evaluateTemplate(node, scope)
  if (node === null || value === null) return texts
  if (typeof value !== 'object' || Array.isArray(value)) fail(node.at, 'a mapping of names to text was expected here')
  for (const [name, item] of Object.entries(value)) texts.set(name, toText(item, node.at))
  return texts
}

/** `continue-on-error`, `fail-fast`: only true and false themselves count. */
export function evaluateToBoolean(node: TemplateNode, scope: ExpressionScope): boolean {
  const value = evaluateTemplate(node, scope)
  if (typeof value === 'boolean') return value
  return fail(node.at, `true or false was expected, not ${shown(value)}`, 'compare (== true), or read text with fromJSON')
}

/** `timeout-minutes`, `max-parallel`: only numbers count. */
export function evaluateToNumber(node: TemplateNode, scope: ExpressionScope): number {
  const value = evaluateTemplate(node, scope)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  return fail(node.at, `a number was expected, not ${shown(value)}`, 'read text with fromJSON')
}

/** Whether a job or step runs. Null, and every condition without a status function, asks for `success()` first. */
export function evaluateCondition(condition: ConditionPlan | null, scope: ExpressionScope): boolean {
  const budget = new EvaluationBudget()
  const at = condition?.at ?? null
  if (condition?.callsStatusFunction !== true && !isTruthy(evaluateWithin(budget, 'success()', scope, at))) return false
  return condition === null || isTruthy(evaluateWithin(budget, condition.expression, scope, at))
}

function isTruthy(value: Json): boolean {
  return !(value === null || value === false || value === '' || value === 0 || Number.isNaN(value))
}

function evaluateNode(node: TemplateNode, scope: ExpressionScope, budget: EvaluationBudget): Json {
  switch (node.kind) {
    case 'literal':
      return node.value
    case 'expression':
      return evaluateWithin(budget, node.expression, scope, node.at)
    case 'sequence':
      return node.items.flatMap((item) => evaluateItem(item, scope, budget))
    case 'mapping':
      return evaluateMapping(node.entries, scope, budget)
  }
}

/** An expression that gives a list puts its items in its place, as on GitHub; a list that is written out stays one item. */
function evaluateItem(item: TemplateNode, scope: ExpressionScope, budget: EvaluationBudget): readonly Json[] {
  const value = evaluateNode(item, scope, budget)
  return item.kind === 'expression' && Array.isArray(value) ? value : [value]
}

function evaluateMapping(
  entries: Extract<TemplateNode, { kind: 'mapping' }>['entries'],
  scope: ExpressionScope,
  budget: EvaluationBudget,
): Json {
  const result: Record<string, Json> = {}
  const names = new Set<string>()
  const add = (name: string, value: Json, at: SourcePosition): void => {
    if (names.has(name.toLowerCase())) fail(at, `the key ${quote(name)} is set twice`, 'remove one of them')
    names.add(name.toLowerCase())
    setOwn(result, name, value)
  }
  for (const { key, value } of entries) {
    const content = evaluateNode(value, scope, budget)
    if (key.kind === 'expression' && key.expression === INSERT) {
      for (const [name, inserted] of insertedEntries(content, key.at)) add(name, inserted, key.at)
    } else {
      add(toText(evaluateNode(key, scope, budget), key.at), content, key.at)
    }
  }
  return result
}

function insertedEntries(content: Json, at: SourcePosition): [string, Json][] {
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return Object.entries(content)
  return fail(at, `insert was given ${shown(content)}`, 'give it a mapping, e.g. with fromJSON')
}

function toText(value: Json, at: SourcePosition): string {
  if (value === null) return ''
  if (typeof value === 'object') return fail(at, `text was expected, not ${shown(value)}`, 'write it with toJSON or join')
  return typeof value === 'number' ? evaluateNumberText(value) : String(value)
}

/** Numbers are written as expressions write them: at most 15 decimals. */
function evaluateNumberText(value: number): string {
  return value === 0 ? '0' : String(Number(value.toFixed(15)))
}

function shown(value: Json): string {
  if (Array.isArray(value)) return 'a list'
  if (value === null) return 'nothing'
  return typeof value === 'object' ? 'a mapping' : quote(String(value))
}

function fail(at: SourcePosition, message: string, suggestion: string | null = null): never {
  throw new WorkflowError('EXPRESSION_INVALID', [{ at, message, suggestion, kind: 'invalid' }])
}
