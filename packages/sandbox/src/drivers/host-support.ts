// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { SandboxError } from '../sandbox-error.ts'

/** How the machine has its cgroups mounted. */
export type CgroupLayout = 'v1' | 'v2' | 'hybrid'

export function inspectHost(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): {
  readonly cgroups: CgroupLayout
  readonly hybridCgroups: boolean
} {
  const types = new Set(mounts.split('\n').map((line) => line.split(' ')[2]))
  const cgroups = types.has('cgroup') ? (types.has('cgroup2') ? 'hybrid' : 'v1') : 'v2'
  return { cgroups, hybridCgroups: cgroups === 'hybrid' }
}

/** What has to be so before anything is tried. @throws SANDBOX_UNSUPPORTED naming what is missing and how to get it. */
export function assertCanEnforce(asked: { readonly gate: boolean } = { gate: false }): void {
  if (process.platform !== 'linux')
    throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox on ${process.platform}: Linux is needed`)
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    throw new SandboxError(
      'SANDBOX_UNSUPPORTED',
      `Cannot build a sandbox: there is no seccomp table for the architecture "${process.arch}"`,
    )
  }
  if (process.geteuid?.() !== 0) {
    throw new SandboxError('SANDBOX_UNSUPPORTED', 'Cannot build a sandbox: this process is no root of any user namespace', {
      hint: 'Run "sallyport run" or "sallyport exec", which become the root of a user namespace of your own; or use sudo',
    })
  }
  if (asked.gate) assertCanTellSteps(inspectHost().cgroups)
}

/** The kernel tells the packets of one step from those of another by their cgroups of version 2. */
export function assertCanTellSteps(layout: CgroupLayout): void {
  if (layout !== 'v1') return
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    'Cannot give a job a network: no cgroup2 hierarchy is mounted, so its steps cannot be told apart',
    {
      hint: 'Boot with systemd.unified_cgroup_hierarchy=1, or mount one: mount -t cgroup2 none /sys/fs/cgroup/unified',
    },
  )
}
