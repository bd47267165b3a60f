// SPDX-License-Identifier: Apache-2.0
import type { SandboxDriver } from '../contract.ts'
import { OciDriver } from './oci-driver.ts'
import { CRUN, RUNC } from './oci-runtimes.ts'
import type { WallTransform } from './walls.ts'

export type DriverName = 'runc' | 'crun'

export const DRIVER_NAMES: readonly DriverName[] = ['runc', 'crun']

/** `directory` is Sallyport's own, on a disk that holds the jobs' files while they run. */
export function createDriver(name: DriverName, directory: string, walls?: WallTransform): SandboxDriver {
  return new OciDriver(name === 'runc' ? RUNC : CRUN, directory, walls)
}
