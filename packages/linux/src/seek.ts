// SPDX-License-Identifier: Apache-2.0
import { loadAddon } from './addon.ts'

/** Moves an open file to its end, which for a device of records is after the last one; Node itself cannot. @throws Error when the kernel refuses. */
export function seekToEnd(fd: number): void {
  const errno = loadAddon().seekToEnd(fd)
  if (errno !== 0) throw new Error(`lseek was refused with error ${errno}`)
}
