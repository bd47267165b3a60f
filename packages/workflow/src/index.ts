// SPDX-License-Identifier: Apache-2.0
export type * from './plan.ts'
export { formatProblem, type Problem, WorkflowError, type WorkflowErrorCode } from './problem.ts'
