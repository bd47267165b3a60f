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
export function assertCanEnforce(): void {
  if (process.platform !== 'linux')
    throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox on ${process.platform}: Linux is needed`)
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    throw new SandboxError(
      'SANDBOX_UNSUPPORTED',
      `Cannot build a sandbox: there is no seccomp table for the architecture "${process.arch}"`,
    )
  }
  if (process.geteuid?.() !== 0) {
    throw new SandboxError('SANDBOX_UNSUPPORTED', 'Cannot build a sandbox: Sallyport needs root for it in this release', {
      hint: 'Run it with sudo; the job itself never gets root of this host',
    })
  }
}
