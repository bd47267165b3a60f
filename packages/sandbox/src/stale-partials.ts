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

/** Longer than any job may run: what no sandbox was started from for so long is under none. */
const UNUSED_MS = 8 * 24 * 3600e3

/** Removes what no sandbox has needed for long: whoever needs an entry sets its time. */
export async function removeUnused(
  directory: string,
  { prefix, except }: { readonly prefix: string; readonly except: string },
): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (path === except || !name.startsWith(prefix)) continue
    const stats = await lstat(path).catch(() => null) // Another supervisor was quicker.
    if (stats !== null && Date.now() - stats.mtimeMs > UNUSED_MS) await rm(path, { recursive: true, force: true })
  }
}
