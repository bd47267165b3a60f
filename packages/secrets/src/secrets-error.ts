// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type SecretsErrorCode =
  /** The operator's description of a provider is wrong; nothing was asked. */
  | 'PROVIDER_CONFIG_INVALID'
  /** No connection, or it broke. */
  | 'PROVIDER_UNREACHABLE'
  /** No whole answer in time. */
  | 'PROVIDER_TIMEOUT'
  /** Whoever answers has not proved that it is the provider. */
  | 'PROVIDER_CERTIFICATE'
  /** Our own credential is wrong, expired or was revoked. */
  | 'PROVIDER_LOGIN_REFUSED'
  /** Our credential is good, and may not do this. */
  | 'PROVIDER_DENIED'
  /** It asks us to come back later, and still does after we did. */
  | 'PROVIDER_RATE_LIMITED'
  /** It is there, and cannot serve: sealed, in standby, in maintenance. */
  | 'PROVIDER_SEALED'
  /** It said something that no such provider says, or failed by itself. */
  | 'PROVIDER_FAILED'
  | 'SECRET_NOT_FOUND'
  | 'SECRET_VERSION_NOT_FOUND'
  /** The secret has no such field, or more than one and none was named. */
  | 'SECRET_FIELD_MISSING'
  /** Larger than {@link SECRET_BYTES_MAX}. */
  | 'SECRET_TOO_LARGE'
  /** It has no bytes: whoever made it so did not mean it. */
  | 'SECRET_EMPTY'
  /** The embedded store is not what was written last, or not at all a store. Nothing was changed. */
  | 'SECRET_STORE_DAMAGED'
  /** Passphrase or identity do not open it. */
  | 'SECRET_STORE_WRONG_KEY'
  /** Somebody else writes to it. */
  | 'SECRET_STORE_LOCKED'
  | 'SECRET_STORE_MISSING'
  | 'SECRET_STORE_EXISTS'
  /** What should be an age identity or recipient is none, or a passphrase is none that protects anything. */
  | 'SECRET_KEY_INVALID'
  /** Others can read the identity. */
  | 'SECRET_KEY_UNSAFE'
  /** The program that makes, tests or retires a value has failed; nothing that worked has ended. */
  | 'ROTATION_FAILED'
  /** A rotation of this secret has begun and has not ended. */
  | 'ROTATION_PENDING'
  /** The broker's process ended, hung, or said something that no broker says. */
  | 'BROKER_LOST'
  /** A lease could not be revoked: the message says until when it lives. */
  | 'LEASE_NOT_REVOKED'

export class SecretsError extends SallyportError<SecretsErrorCode> {
  override readonly name = 'SecretsError'
}
