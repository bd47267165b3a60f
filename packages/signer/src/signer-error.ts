// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type SignerErrorCode =
  /** What was to be signed does not grow from what was signed before. Nothing was signed, nothing was remembered. */
  | 'SIGNER_REFUSED'
  /** The process ended, hung, or said something that no signer says. */
  | 'SIGNER_LOST'
  /** Another signer holds the directory. */
  | 'SIGNER_LOCKED'
  /** The files in its directory are not those that a signer writes. */
  | 'SIGNER_DAMAGED'

export class SignerError extends SallyportError<SignerErrorCode> {
  override readonly name = 'SignerError'
}
