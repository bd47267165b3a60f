// SPDX-License-Identifier: Apache-2.0
import type { PublishFailure } from '../contract.ts'

/** An answer that ends a push: for `PublishOutcome`. */
export class RefusedByRegistry extends Error {
  override readonly name = 'RefusedByRegistry'
  readonly failure: PublishFailure

  constructor(failure: PublishFailure, message: string) {
    super(message)
    this.failure = failure
  }
}
