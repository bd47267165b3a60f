// SPDX-License-Identifier: Apache-2.0
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Nothing here takes longer to make: what is older belonged to a process that was killed. */
const STALE_MS = 60_000

/** Removes what a killed process left half-made in a directory of our own; the names hold `partial`. */
export async function removeStalePartials(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.includes('partial')) continue
    const path = join(directory, name)
    const stats = await lstat(path).catch(() => null) // Finished and renamed since it was listed.
    if (stats !== null && Date.now() - stats.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
  }
}
