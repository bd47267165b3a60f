// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type UsageErrorCode =
  | 'USAGE'
  | 'NOT_IN_RELEASE'
  | 'SECRET_ON_ARGV'
  | 'SECRET_MISSING'
  | 'FILE_UNREADABLE'
  | 'FILE_INVALID'
  | 'FILE_EXISTS'
  | 'FILE_UNWRITABLE'

/** The command line, or a file that it names, is not what it should be; nothing was started. */
export class UsageError extends SallyportError<UsageErrorCode> {
  override readonly name = 'UsageError'
}
