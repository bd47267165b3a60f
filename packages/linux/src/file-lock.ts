// SPDX-License-Identifier: Apache-2.0
import koffi from 'koffi'

/** flock(2), from include/uapi/asm-generic/fcntl.h. */
const LOCK_EX = 2
const LOCK_NB = 4

/**
 * Takes the exclusive lock of an open file; false while somebody else has it, of this process or another. It ends with the
 * descriptor, so also with the process, however that ends: no lock is ever left behind.
 *
 * @throws Error when the kernel refuses for any other reason, for instance because the file system knows no locks.
 */
export function tryLockFile(fd: number): boolean {
  const flock = koffi.load('libc.so.6').func('int flock(int fd, int operation)')
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true
  const errno = koffi.errno()
  if (errno === koffi.os.errno['EAGAIN']) return false
  throw new Error(`flock was refused with error ${errno}`)
}
