// SPDX-License-Identifier: Apache-2.0
import {
  type ConditionPlan,
  type ExpressionFunctions,
  type ExpressionScope,
  evaluateCondition,
  evaluateTemplate,
  evaluateToBoolean,
  evaluateToNumber,
  evaluateToString,
  evaluateToStrings,
  type SourcePosition,
  type TemplateNode,
  WorkflowError,
} from '@sallyport/workflow'
import type { Json } from './contract.ts'
import { EngineError } from './errors.ts'
import { type JsonMap, mapOf, typeName } from './json.ts'

/** What an expression can see at one place. */
export type Scope = ExpressionScope

/** Contexts that exist somewhere: where one is not available, it is null. */
const CONTEXT_NAMES = ['github', 'env', 'vars', 'job', 'steps', 'runner', 'secrets', 'strategy', 'matrix', 'needs', 'inputs'] as const
const NO_CONTEXTS = mapOf(CONTEXT_NAMES.map((name) => [name, null] as const))

export function scope(contexts: JsonMap, functions: ExpressionFunctions = {}): Scope {
  return { contexts: { ...NO_CONTEXTS, ...contexts }, functions }
}

/** What `success()` and its like tell; `null` where neither success nor failure is true. */
export interface Status {
  readonly result: 'success' | 'failure' | null
  readonly isCancelled: boolean
}

export function statusFunctions({ result, isCancelled }: Status): ExpressionFunctions {
  return {
    success: () => result === 'success',
    failure: () => result === 'failure',
    cancelled: () => isCancelled,
    always: () => true,
  }
}

// The functions below throw EngineError with the place, whatever the values are: they are untrusted.

export function evaluateJson(node: TemplateNode, where: Scope): Json {
  return located(node.at, () => evaluateTemplate(node, where))
}

export function evaluateText(node: TemplateNode, where: Scope): string {
  return located(node.at, () => evaluateToString(node, where))
}

export function evaluateOptionalText(node: TemplateNode | null, where: Scope): string | null {
  return node === null ? null : evaluateText(node, where)
}

/** `env:`, `with:`, `outputs:`: names to text. */
export function evaluateTexts(node: TemplateNode | null, where: Scope): ReadonlyMap<string, string> {
  return node === null ? new Map() : located(node.at, () => evaluateToStrings(node, where))
}

export function evaluateBoolean(node: TemplateNode | null, where: Scope, fallback: boolean): boolean {
  return node === null ? fallback : located(node.at, () => evaluateToBoolean(node, where))
}

export function evaluatePositive(node: TemplateNode | null, where: Scope, fallback: number): number {
  if (node === null) return fallback
  const number = located(node.at, () => evaluateToNumber(node, where))
  if (number <= 0) throw unexpected(node.at, 'a number over 0', number)
  return number
}

/** `if:`; without one, `success()` or `always()` as `fallback` says. */
export function evaluateIf(condition: ConditionPlan | null, where: Scope, fallback: 'success' | 'always'): boolean {
  if (condition === null && fallback === 'always') return true
  return condition === null ? evaluateCondition(null, where) : located(condition.at, () => evaluateCondition(condition, where))
}

/** Runs `evaluate`; a refusal that it throws gets the place in the workflow or action file. */
export function located<T>(at: SourcePosition, evaluate: () => T): T {
  try {
    return evaluate()
  } catch (thrown) {
    if (thrown instanceof WorkflowError) throw new EngineError('ENGINE_VALUE_INVALID', thrown.message, { cause: thrown })
    if (thrown instanceof EngineError) throw new EngineError(thrown.code, placed(at, thrown.message), { cause: thrown })
    throw thrown
  }
}

/** The message with its place before it, unless it has one. */
export function placed(at: SourcePosition, message: string): string {
  return message.startsWith(`${at.file}:`) ? message : `${at.file}:${at.line}:${at.column}: ${message}`
}

export function unexpected(at: SourcePosition, expected: string, found: Json): EngineError {
  const shown = typeof found === 'object' ? typeName(found) : JSON.stringify(found).slice(0, 80)
  return new EngineError('ENGINE_VALUE_INVALID', placed(at, `expected ${expected}, found ${shown}`))
}
