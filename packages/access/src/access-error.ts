// SPDX-License-Identifier: Apache-2.0
import { formatProblem, type Problem, SallyportError } from '@sallyport/core'

export type AccessErrorCode = 'ACCESS_INVALID' | 'ACCESS_CEILING_INVALID' | 'ACCESS_RULE_INVALID' | 'ACCESS_PRESET_UNRESOLVED'

/** Carries every problem of a file (or option), not only the first. */
export class AccessError extends SallyportError<AccessErrorCode> {
  override readonly name = 'AccessError'
  readonly problems: readonly Problem[]

  constructor(code: AccessErrorCode, problems: readonly Problem[]) {
    super(code, problems.map(formatProblem).join('\n'), { details: { problems } })
    this.problems = problems
  }
}
