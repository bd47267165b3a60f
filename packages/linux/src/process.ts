// SPDX-License-Identifier: Apache-2.0
import koffi from 'koffi'

/** prctl(2) options, from include/uapi/linux/prctl.h. */
const PR_GET_DUMPABLE = 3
const PR_SET_DUMPABLE = 4

/** setrlimit(2), from include/uapi/asm-generic/resource.h: both limits are 64 bits each. */
const RLIMIT_CORE = 4
const RLIMIT_BYTES = 16

/**
 * Makes this process untraceable for everybody without CAP_SYS_PTRACE, hides its `/proc/PID` files from its own uid, and keeps it from
 * dumping core. For every process that holds keys or secrets; lasts until the next execve.
 *
 * @throws Error when the kernel refuses.
 */
export function makeUndumpable(): void {
  const libc = koffi.load('libc.so.6')
  const prctl = libc.func('int prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5)')
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) !== 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) !== 0)
    throw new Error('prctl(PR_SET_DUMPABLE) was refused')
}

/** No core dump of this process, nor of what it starts; not even after an execve, which makes a process dumpable again. @throws Error when the kernel refuses. */
export function forbidCoreDumps(): void {
  const setrlimit = koffi.load('libc.so.6').func('int setrlimit(int resource, const void *limit)')
  if (setrlimit(RLIMIT_CORE, Buffer.alloc(RLIMIT_BYTES)) !== 0) throw new Error('setrlimit(RLIMIT_CORE) was refused')
}
