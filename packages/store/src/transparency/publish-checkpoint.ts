// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import { parseCheckpoint, parseNote } from '@sallyport/audit-log'
import { StoreError } from '../store-error.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { lockLog } from './lock-log.ts'
import { logPaths } from './log-paths.ts'
import { isTreeOf, readPublished, writeCheckpoint } from './published-checkpoint.ts'
import { readTreeState } from './tree-state.ts'

/**
 * Shows readers a checkpoint that `TransparencyLog.sign` has made, once its witnesses have cosigned it: whoever asked them did not hold the log, and
 * others may have written meanwhile. False when a larger tree was published by then, which holds all of this one.
 *
 * @throws StoreError LOG_LOCKED; LOG_ROLLED_BACK when the log does not hold the tree any more; STORE_CORRUPT; AuditLogError for what is no checkpoint
 */
export async function publishCheckpoint(
  directory: string,
  note: Uint8Array,
  { lockWaitMs }: { readonly lockWaitMs: number },
): Promise<boolean> {
  const paths = logPaths(resolve(directory))
  const { origin, ...head } = parseCheckpoint(parseNote(note).text)
  try {
    await using _lock = await lockLog(directory, lockWaitMs)
    const source = directoryTileSource(paths.tree)
    const durable = await readTreeState(paths.state)
    if (!(await isTreeOf(source, durable, head)))
      throw new StoreError('LOG_ROLLED_BACK', `Cannot publish the log of ${head.size} entries: it does not hold what its key has signed`, {
        hint: 'Somebody has put back an older copy of the log, or removed entries: sallyport audit verify says what is wrong',
      })
    const published = await readPublished(source, durable, origin)
    if (published !== null && published.size > head.size) return false
    await writeCheckpoint(paths, note)
    return true
  } catch (error) {
    throw StoreError.from(`Cannot publish the log in "${directory}"`, error)
  }
}
