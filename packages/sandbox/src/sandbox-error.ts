// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type SandboxErrorCode =
  /** A guarantee that was asked for cannot be given on this host; the job does not start. */
  | 'SANDBOX_UNSUPPORTED'
  /** Building the sandbox failed; nothing of the job has run. */
  | 'SANDBOX_FAILED'
  /** PID 1 of the sandbox is gone under a running job. */
  | 'SANDBOX_LOST'
  /** The bytes that came out of a sandbox do not follow the pump's framing. */
  | 'SANDBOX_PROTOCOL'
  /** A path or a size is outside what can go into a sandbox. */
  | 'SANDBOX_INPUT'

export class SandboxError extends SallyportError<SandboxErrorCode> {
  override readonly name = 'SandboxError'
}
