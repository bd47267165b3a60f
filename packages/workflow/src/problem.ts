// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'
import type { SourcePosition, Trigger } from './plan.ts'

/** One thing that is wrong in a user's file, and what would be right. */
export interface Problem {
  readonly at: SourcePosition
  /** What is wrong; quotes the offending text. */
  readonly message: string
  /** What would be right, e.g. `did you mean "build"?`; null when nothing sensible can be said. */
  readonly suggestion: string | null
  /** `unsupported`: valid for GitHub Actions, refused by Sallyport today. */
  readonly kind: 'invalid' | 'unsupported'
}

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

/** `file:line:column: message (suggestion)`, the form that editors can jump to. */
export function formatProblem(problem: Problem): string {
  const { file, line, column } = problem.at
  const suggestion = problem.suggestion === null ? '' : ` (${problem.suggestion})`
  return `${file}:${line}:${column}: ${problem.message}${suggestion}`
}
