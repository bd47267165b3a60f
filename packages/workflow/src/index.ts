// SPDX-License-Identifier: Apache-2.0
export type { Json } from './json.ts'
export { loadWorkflowParser, parseWorkflow, type WorkflowParser } from './load-workflow-parser.ts'
export type * from './plan.ts'
export { formatProblem, type Problem, WorkflowError, type WorkflowErrorCode } from './problem.ts'
export { refusedRunnerLabel } from './refusals.ts'
export { referencedSecrets, secretsOfStep } from './secret-references.ts'
