// SPDX-License-Identifier: Apache-2.0

/** Why an artifact is no image that could be pushed: for `PublishOutcome`, nothing has been sent. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError'
}
