// SPDX-License-Identifier: Apache-2.0
import { type ErrorOptions, SallyportError } from '@sallyport/core'

export type ExportErrorCode =
  /** A target did not take what it was sent, or did not say so; it is sent again. */
  | 'EXPORT_FAILED'
  /** The log is not the one that the cursor stands in: another one, one that was rolled back, or one whose past was rewritten. */
  | 'EXPORT_OTHER_LOG'
  /** The log cannot be read: no checkpoint, or a file that has to be there is not. */
  | 'EXPORT_UNREADABLE'
  /** Another process exports to this target. */
  | 'EXPORT_LOCKED'

export class ExportError extends SallyportError<ExportErrorCode> {
  override readonly name = 'ExportError'
  /** What the target asked for; null where it asked for nothing. */
  readonly retryAfterMs: number | null

  constructor(
    code: ExportErrorCode,
    message: string,
    { retryAfterMs = null, ...options }: ErrorOptions & { readonly retryAfterMs?: number | null } = {},
  ) {
    super(code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}
