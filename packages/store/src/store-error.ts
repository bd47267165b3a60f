// SPDX-License-Identifier: Apache-2.0
import { messageOf, SallyportError } from '@sallyport/core'

export type StoreErrorCode =
  | 'STORE_FULL'
  | 'STORE_DENIED'
  | 'STORE_IO'
  | 'STORE_UNSAFE'
  | 'STORE_CORRUPT'
  | 'STORE_CLOSED'
  | 'EVENT_TOO_LARGE'
  | 'RUN_EXISTS'
  | 'RUN_NOT_FOUND'
  | 'RUN_AMBIGUOUS'
  | 'LOG_LOCKED'
  | 'LOG_OVERLOADED'
  | 'LOG_ROLLED_BACK'
  | 'PAYLOAD_ERASED'

export class StoreError extends SallyportError<StoreErrorCode> {
  override readonly name = 'StoreError'

  /** `action` is what was tried, e.g. `Cannot append to the journal`; `thrown` is what the system said. */
  static from(action: string, thrown: unknown): StoreError {
    if (thrown instanceof StoreError) return thrown
    const { code, hint } = classify(errnoOf(thrown))
    return new StoreError(code, `${action}: ${messageOf(thrown)}`, { cause: thrown, hint })
  }
}

/** The name of the system's error, e.g. `ENOENT`; empty when `thrown` is not one. */
export function errnoOf(thrown: unknown): string {
  if (!(thrown instanceof Error) || !('code' in thrown)) return ''
  return String(thrown.code)
}

function classify(errno: string): { code: StoreErrorCode; hint: string } {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return { code: 'STORE_FULL', hint: 'Free some space in the state directory, or name another one with --state DIR' }
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return { code: 'STORE_DENIED', hint: 'Make the state directory writable for this user, or name another one with --state DIR' }
    case 'ELOOP':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
    case 'ENXIO': // A socket in the place of a file.
      return { code: 'STORE_UNSAFE', hint: 'The state directory must hold real directories and files, not symbolic links' }
    default:
      return { code: 'STORE_IO', hint: 'Look at the kernel log for the state of the disk, or name another directory with --state DIR' }
  }
}
