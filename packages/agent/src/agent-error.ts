// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type AgentErrorCode =
  /** The repository or a file of it cannot be read. */
  | 'REPOSITORY_UNREADABLE'
  /** No workflow file, or none that the event triggers. */
  | 'NOTHING_TO_RUN'
  /** `--job` or `--matrix` names something that no workflow has. */
  | 'JOB_UNKNOWN'
  /** An input of `workflow_dispatch` is missing, unknown or of the wrong type. */
  | 'INPUT_INVALID'
  /** A `runs-on` label that this host cannot be. */
  | 'RUNNER_UNSUPPORTED'
  /** A guarantee does not hold on this host; nothing of the job has run. */
  | 'GUARANTEE_MISSING'
  /** What `--write` was to keep cannot be kept. */
  | 'WRITE_REFUSED'
  /** Sallyport was interrupted before the end. */
  | 'INTERRUPTED'

export class AgentError extends SallyportError<AgentErrorCode> {
  override readonly name = 'AgentError'
}
