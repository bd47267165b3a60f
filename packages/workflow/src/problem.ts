// SPDX-License-Identifier: Apache-2.0
import { formatProblem, type Problem, SallyportError } from '@sallyport/core'
import type { Trigger } from './plan.ts'

export type WorkflowErrorCode = 'WORKFLOW_INVALID' | 'ACTION_INVALID' | 'EXPRESSION_INVALID'

/** Carries every problem found, not only the first. */
export class WorkflowError extends SallyportError<WorkflowErrorCode> {
  override readonly name = 'WorkflowError'
  readonly problems: readonly Problem[]
  /**
   * Of a workflow that is valid and only uses what is unsupported today; null for every other file. So a file
   * that the event does not trigger need not stop the others.
   */
  readonly triggers: readonly Trigger[] | null

  constructor(code: WorkflowErrorCode, problems: readonly Problem[], triggers: readonly Trigger[] | null = null) {
    super(code, problems.map(formatProblem).join('\n'), { details: { problems } })
    this.problems = problems
    this.triggers = problems.every(({ kind }) => kind === 'unsupported') ? triggers : null
  }
}
