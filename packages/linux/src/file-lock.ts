// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os'
import { loadAddon } from './addon.ts'

/**
 * Takes the exclusive lock, flock(2), of an open file; false while somebody else has it, of this process or another. It ends with the
 * descriptor, so also with the process, however that ends: no lock is ever left behind.
 *
 * @throws Error when the kernel refuses for any other reason, for instance because the file system knows no locks.
 */
export function tryLockFile(fd: number): boolean {
  return isTaken(loadAddon().tryLock(fd))
}

/** The same, beside others who share it: false while somebody has it alone. @throws Error as `tryLockFile` does */
export function tryShareLock(fd: number): boolean {
  return isTaken(loadAddon().tryLockShared(fd))
}

function isTaken(errno: number): boolean {
  if (errno === 0) return true
  if (errno === constants.errno.EAGAIN) return false
  throw new Error(`flock was refused with error ${errno}`)
}
