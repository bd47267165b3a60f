// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type PublisherErrorCode =
  /** The publisher's process ended, hung or was ended before it said how it went. */
  'PUBLISHER_LOST'

export class PublisherError extends SallyportError<PublisherErrorCode> {
  override readonly name = 'PublisherError'
}
