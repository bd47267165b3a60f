// SPDX-License-Identifier: Apache-2.0
import { type Limits, SANDBOX_PATHS } from '../contract.ts'
import { BOX_DIRECTORY } from './bundle.ts'

type Bundle = Readonly<Record<string, unknown>>

/**
 * The same sandbox for a runtime that brings a kernel of its own (gVisor's runsc). Read beside `buildBundle`, for what differs and why:
 *
 * - PID 1 has its control socket as its standard input: runsc hands over nothing else.
 * - The user namespace is runsc's making, with the same ids: its threads cannot join the keeper's.
 * - No filter: a filter on steps is installed inside, by the helper, and answered by that kernel; runsc puts its own on itself.
 * - `/tmp` is named as a mount: runsc would put memory in its place, which the disk's limits do not know.
 */
export function toSentryBundle(bundle: Bundle, limits: Limits): Bundle {
  const {
    seccomp: _,
    sysctl: __,
    namespaces,
    resources,
    ...linux
  } = bundle['linux'] as Bundle & {
    readonly namespaces: readonly { readonly type: string }[]
    readonly resources: Bundle
  }
  const mounts = bundle['mounts'] as readonly Bundle[]
  return {
    ...bundle,
    process: { ...(bundle['process'] as Bundle), args: [SANDBOX_PATHS.helper, 'init', 'stdin'] },
    mounts: [
      ...mounts,
      { destination: '/tmp', type: 'bind', source: `${BOX_DIRECTORY}/rootfs/tmp`, options: ['bind', 'rw', 'nosuid', 'nodev'] },
    ],
    linux: {
      ...linux,
      namespaces: namespaces.map(({ type }) => ({ type })),
      resources: { ...resources, pids: { limit: hostThreads(limits.pids) } },
    },
  }
}

/**
 * What a sandbox may have of the host for `pids` processes: each is a process there, with threads of the runtime for what it does. The rest is the
 * runtime's own, whatever runs in it: 60 were seen at most.
 */
export function hostThreads(pids: number): number {
  return 3 * pids + 128
}
