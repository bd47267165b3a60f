// SPDX-License-Identifier: Apache-2.0
import { loadAddon } from './addon.ts'

/**
 * Makes this process untraceable for everybody without CAP_SYS_PTRACE, hides its `/proc/PID` files from its own uid, and keeps it from
 * dumping core. For every process that holds keys or secrets; lasts until the next execve.
 *
 * @throws Error when the kernel refuses.
 */
export function makeUndumpable(): void {
  const errno = loadAddon().makeUndumpable()
  if (errno !== 0) throw new Error(`prctl(PR_SET_DUMPABLE) was refused with error ${errno}`)
}

/** No core dump of this process, nor of what it starts; not even after an execve, which makes a process dumpable again. @throws Error when the kernel refuses. */
export function forbidCoreDumps(): void {
  const errno = loadAddon().forbidCoreDumps()
  if (errno !== 0) throw new Error(`setrlimit(RLIMIT_CORE) was refused with error ${errno}`)
}
