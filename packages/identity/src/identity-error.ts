// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type IdentityErrorCode =
  /** The issuer's URL is none, or not that of the keys. */
  | 'IDENTITY_ISSUER'
  /** What a token was to say is not what its claims may say. Nothing was signed. */
  | 'IDENTITY_CLAIM_INVALID'
  /** More tokens than can be masked. Nobody got the one that was asked for. */
  | 'IDENTITY_LIMIT'
  /** The next keys have not been published for long enough to sign. */
  | 'IDENTITY_TOO_EARLY'
  /** The process ended, hung, or said something that no minter says. */
  | 'IDENTITY_LOST'
  /** Another process has been changing the keys for too long. */
  | 'IDENTITY_LOCKED'
  /** The files in its directory are not those that a minter writes. */
  | 'IDENTITY_DAMAGED'
  /** A file that was to be checked is no trust policy of a kind that is known. */
  | 'TRUST_POLICY_INVALID'

export class IdentityError extends SallyportError<IdentityErrorCode> {
  override readonly name = 'IdentityError'
}
