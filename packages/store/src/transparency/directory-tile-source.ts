// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { BUNDLE_BYTES_MAX, KEYS_BYTES_MAX, KEYS_PATH, NOTE_BYTES_MAX, parseTilePath, type TileSource } from '@sallyport/audit-log'
import { readWhole } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'

/**
 * The directory of a log (`tile/…`, `checkpoint`, and `keys` where its key was changed) as its readers see it. What stands in it is theirs to check. `onRefused` is for whoever checks: what
 * is no file that a log has (a link, a FIFO, one that is larger than any) is told to it, and is not there. Without it, reading that rejects.
 */
export function directoryTileSource(directory: string, onRefused: ((error: StoreError) => void) | null = null): TileSource {
  return {
    read: async (path) => {
      try {
        return await readLogFile(directory, path)
      } catch (error) {
        if (onRefused === null || !isRefusal(error)) throw error
        onRefused(error)
        return null
      }
    },
  }
}

async function readLogFile(directory: string, path: string): Promise<Uint8Array | null> {
  if (path === 'checkpoint') return readWhole(join(directory, path), NOTE_BYTES_MAX)
  if (path === KEYS_PATH) return readWhole(join(directory, path), KEYS_BYTES_MAX)
  if (parseTilePath(path) === null) throw new TypeError(`"${path}" is no path of a log's file`)
  return readWhole(join(directory, path), BUNDLE_BYTES_MAX)
}

/** Somebody put it there; a disk that fails is another matter. */
function isRefusal(error: unknown): error is StoreError {
  return error instanceof StoreError && (error.code === 'STORE_UNSAFE' || error.code === 'STORE_CORRUPT')
}
