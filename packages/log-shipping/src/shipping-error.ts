// SPDX-License-Identifier: Apache-2.0
import { type ErrorOptions, SallyportError } from '@sallyport/core'

export type ShippingErrorCode =
  /** A receiver did not take a shipment, or did not say so; it is shipped again. */
  | 'SHIPPING_FAILED'
  /** A receiver will never take from this sender what it sent: its credential, or the form of it. */
  | 'SHIPPING_REFUSED'
  /** The log is not the one that the receiver wrote to: another one, or one that was rolled back. */
  | 'SHIPPING_OTHER_LOG'

export class ShippingError extends SallyportError<ShippingErrorCode> {
  override readonly name = 'ShippingError'
  /** What the receiver asked for; null where it asked for nothing. */
  readonly retryAfterMs: number | null

  constructor(
    code: ShippingErrorCode,
    message: string,
    { retryAfterMs = null, ...options }: ErrorOptions & { readonly retryAfterMs?: number | null } = {},
  ) {
    super(code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}
