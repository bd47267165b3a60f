// SPDX-License-Identifier: Apache-2.0

/** What every Sallyport error carries beside its code and message. */
export interface ErrorOptions {
  readonly cause?: unknown
  /** What the user can do about it; a full sentence without a trailing period. */
  readonly hint?: string
  /** Structured facts for `--json`; never a secret value. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * Base of every error that Sallyport raises on purpose. Each package declares one
 * subclass with a union of its own codes; all codes are listed in `docs/errors.md`.
 *
 * `message` states the action that failed and quotes values; it ends without a period.
 */
export class SallyportError<Code extends string = string> extends Error {
  override readonly name: string = 'SallyportError'
  readonly code: Code
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? {}
  }
}

/** The message of anything that was thrown, for embedding in an error of our own. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
