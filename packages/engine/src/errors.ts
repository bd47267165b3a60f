// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type EngineErrorCode =
  /** `strategy` gives no usable set of jobs. */
  | 'ENGINE_MATRIX_INVALID'
  /** `shell:` names nothing that can run here. */
  | 'ENGINE_SHELL_INVALID'
  /** An environment file of a step cannot be read as GitHub documents it. */
  | 'ENGINE_FILE_COMMAND_INVALID'
  /** A value of the workflow has the wrong type after evaluation. */
  | 'ENGINE_VALUE_INVALID'
  /** A documented limit was passed. */
  | 'ENGINE_LIMIT'
  /** The sandbox was lost under a running step. */
  | 'ENGINE_JOB_LOST'

/** Fails the step or the job that it arose in; the engine itself never lets it out of `handle`. */
export class EngineError extends SallyportError<EngineErrorCode> {
  override readonly name = 'EngineError'
}
