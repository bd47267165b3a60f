// SPDX-License-Identifier: Apache-2.0

/**
 * What a step keeps, inside its own user namespace: enough for package managers that unpack files with
 * owners and switch users. Numbers from include/uapi/linux/capability.h.
 *
 * Not here, and why: SYS_ADMIN, NET_ADMIN, NET_RAW, SYS_PTRACE, SYS_MODULE, BPF, PERFMON (a build needs none of them, and each opens
 * kernel code to the job), MKNOD (devices are never made), SETFCAP (file capabilities have no effect under no_new_privs),
 * SYS_CHROOT, AUDIT_WRITE, NET_BIND_SERVICE (low ports are open by sysctl in the job's own network namespace).
 */
const STEP_CAPABILITIES: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
}

/** {@link STEP_CAPABILITIES} as the kernel's bit mask. */
export const STEP_CAPABILITY_MASK: bigint = Object.values(STEP_CAPABILITIES).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)
