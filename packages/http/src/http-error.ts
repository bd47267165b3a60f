// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type HttpErrorCode =
  /** The address cannot be listened on. */
  | 'HTTP_UNAVAILABLE'
  /** A request got no answer: no connection, no answer in time, or more than an answer may have. */
  | 'HTTP_FAILED'

/** Of HTTP_FAILED, in `details.failure`. */
export type HttpFailure = 'connection' | 'timeout' | 'certificate' | 'size'

export class HttpError extends SallyportError<HttpErrorCode> {
  override readonly name = 'HttpError'

  /** Null of another code. */
  get failure(): HttpFailure | null {
    return (this.details['failure'] as HttpFailure | undefined) ?? null
  }
}
