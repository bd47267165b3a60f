// SPDX-License-Identifier: Apache-2.0
import type { SandboxDriver } from '../contract.ts'
import { GvisorDriver } from './gvisor-driver.ts'
import { OciDriver } from './oci-driver.ts'
import { findProgram } from './oci-runtime.spawn.ts'
import { CRUN, RUNC } from './oci-runtimes.ts'
import type { WallTransform } from './walls.ts'

export type DriverName = 'runc' | 'crun' | 'gvisor'

export const DRIVER_NAMES: readonly DriverName[] = ['runc', 'crun', 'gvisor']

export interface DriverOptions {
  readonly walls?: WallTransform | undefined
  /** Absolute path of gVisor's runtime, where it is not one of the system's own programs. */
  readonly runsc?: string | undefined
}

/** `directory` is Sallyport's own, on a disk that holds the jobs' files while they run. */
export function createDriver(name: DriverName, directory: string, options: DriverOptions = {}): SandboxDriver {
  if (name === 'gvisor') return new GvisorDriver(directory, options)
  return new OciDriver(name === 'runc' ? RUNC : CRUN, directory, options.walls)
}

/** What `oci` means here: runc, which works on every cgroup layout; crun where only that is installed. The two give the same guarantees. */
export function ociDriver(): DriverName {
  return findProgram('runc') === null && findProgram('crun') !== null ? 'crun' : 'runc'
}
