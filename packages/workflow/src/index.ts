// SPDX-License-Identifier: Apache-2.0
export { formatProblem, type Problem } from '@sallyport/core'
export {
  type ExpressionContexts,
  type ExpressionFunctions,
  type ExpressionScope,
  evaluateExpression,
} from './evaluate-expression.ts'
export {
  evaluateCondition,
  evaluateTemplate,
  evaluateToBoolean,
  evaluateToNumber,
  evaluateToString,
  evaluateToStrings,
} from './evaluate-template.ts'
export type { ExpressionFunction } from './expression-functions.ts'
export { globToMatcher } from './glob.ts'
export type { Json } from './json.ts'
export { loadWorkflowParser, parseWorkflow, type WorkflowParser } from './load-workflow-parser.ts'
export { matchTrigger, type TriggerEvent, type TriggerMatch } from './match-trigger.ts'
export type * from './plan.ts'
export { WorkflowError, type WorkflowErrorCode } from './problem.ts'
export { refusedRunnerLabel } from './refusals.ts'
export { referencedSecrets, secretsOfStep } from './secret-references.ts'
