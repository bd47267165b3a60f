// SPDX-License-Identifier: Apache-2.0
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

export function leaseDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'leases')
}

/** Of a broker that lives or was killed: the sweep tells them apart. */
export async function hasAbandonedLeases(stateDirectory: string): Promise<boolean> {
  try {
    return (await readdir(leaseDirectory(stateDirectory))).length > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
