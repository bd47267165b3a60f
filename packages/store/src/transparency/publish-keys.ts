// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { KEYS_PATH } from '@sallyport/audit-log'
import { writeFileDurably } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { logPaths } from './log-paths.ts'

/**
 * Shows readers the keys that have signed, as `formatKeys` writes them: before the first checkpoint by a new key, so that whoever has read a checkpoint
 * finds the key of it here. Does nothing where it is there already. The caller holds the log, as its writer.
 */
export async function publishKeys(directory: string, keys: Uint8Array): Promise<void> {
  const paths = logPaths(resolve(directory))
  try {
    if (await isThere(paths.tree, keys)) return
    await writeFileDurably(paths.keys, keys, join(paths.scratch, 'keys'))
  } catch (error) {
    throw StoreError.from(`Cannot publish the keys of the log in "${directory}"`, error)
  }
}

/** One that is too large, or no file, is none of ours: it is replaced, or what replaces it says why not. */
async function isThere(tree: string, keys: Uint8Array): Promise<boolean> {
  try {
    const bytes = await directoryTileSource(tree).read(KEYS_PATH)
    return bytes !== null && Buffer.from(bytes).equals(keys)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return false
    throw error
  }
}
