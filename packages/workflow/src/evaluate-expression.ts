// SPDX-License-Identifier: Apache-2.0

import { data, Evaluator } from '@actions/expressions'
import type { Expr, IndexAccess } from '@actions/expressions/ast'
import { messageOf, printable } from '@sallyport/core'
import { JsonDictionary, toJson } from './expression-data.ts'
import { type ExpressionFunction, functionTable, ThrownByFunction } from './expression-functions.ts'
import { EvaluationBudget, EvaluationFault } from './expression-limits.ts'
import { parseExpression } from './expression-syntax.ts'
import type { Json } from './json.ts'
import type { SourcePosition } from './plan.ts'
import { WorkflowError } from './problem.ts'

/** Contexts by lower-case name. An expression that names any other is invalid. */
export type ExpressionContexts = { readonly [name: string]: Json }

/** Functions beside the built-in ones: `success`, `failure`, `cancelled`, `always`, `hashFiles`. */
export type ExpressionFunctions = Readonly<Record<string, ExpressionFunction>>

/** Everything that an expression may use. */
export interface ExpressionScope {
  readonly contexts: ExpressionContexts
  readonly functions?: ExpressionFunctions
}

type ExpressionData = ReturnType<Evaluator['evaluate']>

/**
 * The value of one expression without its `${{ }}`. A property that does not exist is null.
 *
 * What a given function throws comes out untouched, from any depth: a caller may stop an evaluation
 * to compute something first, and evaluate again.
 *
 * @throws WorkflowError EXPRESSION_INVALID
 */
export function evaluateExpression(
  expression: string,
  contexts: ExpressionContexts,
  functions: ExpressionFunctions = {},
  at: SourcePosition | null = null,
): Json {
  return evaluateWithin(new EvaluationBudget(), expression, { contexts, functions }, at)
}

/** As {@link evaluateExpression}, sharing the limits of several evaluations. */
export function evaluateWithin(budget: EvaluationBudget, expression: string, scope: ExpressionScope, at: SourcePosition | null): Json {
  return toJson(evaluateToData(budget, expression, scope, at))
}

function evaluateToData(budget: EvaluationBudget, expression: string, scope: ExpressionScope, at: SourcePosition | null): ExpressionData {
  if (expression.trim() === '') return new data.Null()
  const functions = functionTable(scope.functions ?? {}, budget)
  const parsed = parseExpression(expression, { contexts: Object.keys(scope.contexts), functions: [...functions.values()] })
  if (parsed.fault !== null) {
    const { offset, message, suggestion } = parsed.fault
    const position = at ?? { file: '<expression>', line: 1, column: offset + 1 }
    throw new WorkflowError('EXPRESSION_INVALID', [{ at: position, message, suggestion, kind: 'invalid' }])
  }
  try {
    return new BoundedEvaluator(parsed.tree, contextTable(scope.contexts), functions, budget).evaluate()
  } catch (error) {
    throw toEvaluationError(error, at)
  }
}

/** Names of contexts ignore case; on Linux the names in `env` do not. */
function contextTable(contexts: ExpressionContexts): data.Dictionary {
  const table = new JsonDictionary(contexts)
  const { env } = contexts
  if (env === undefined || env === null || typeof env !== 'object' || Array.isArray(env)) return table
  return new ContextsWithEnv(contexts, new JsonDictionary(env as { readonly [name: string]: Json }, { isCaseSensitive: true }))
}

class ContextsWithEnv extends JsonDictionary {
  readonly #env: JsonDictionary

  constructor(contexts: ExpressionContexts, env: JsonDictionary) {
    super(contexts)
    this.#env = env
  }

  override get(name: string): ExpressionData | undefined {
    return name.toLowerCase() === 'env' ? this.#env : super.get(name)
  }
}

class BoundedEvaluator extends Evaluator {
  readonly #budget: EvaluationBudget

  constructor(tree: Expr, contexts: data.Dictionary, functions: ReturnType<typeof functionTable>, budget: EvaluationBudget) {
    super(tree, contexts, functions)
    this.#budget = budget
  }

  protected override eval(node: Expr): ExpressionData {
    const value = super.eval(node)
    if (value instanceof data.StringData) this.#budget.readText(value.value.length)
    else if (value instanceof data.Array) this.#budget.takeItems(value.values().length)
    return value
  }

  /** The library wraps what goes wrong inside of the brackets. */
  override visitIndexAccess(access: IndexAccess): ExpressionData {
    try {
      return super.visitIndexAccess(access)
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('could not evaluate index')) throw error.cause
      throw error
    }
  }
}

function toEvaluationError(error: unknown, at: SourcePosition | null): unknown {
  if (error instanceof ThrownByFunction) return error.thrown
  const position = at ?? { file: '<expression>', line: 1, column: 1 }
  const isKnown = error instanceof EvaluationFault
  const message =
    error instanceof RangeError
      ? 'the expression is too deep or too large to evaluate'
      : isKnown
        ? error.message
        : printable(messageOf(error))
  return new WorkflowError('EXPRESSION_INVALID', [{ at: position, message, suggestion: null, kind: 'invalid' }])
}
