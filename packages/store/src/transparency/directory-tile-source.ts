// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { BUNDLE_BYTES_MAX, NOTE_BYTES_MAX, parseTilePath, type TileSource } from '@sallyport/audit-log'
import { readWhole } from '../durable-file.ts'

/** The directory of a log (`tile/…` and `checkpoint`) as its readers see it. What stands in it is theirs to check. */
export function directoryTileSource(directory: string): TileSource {
  return { read: (path) => readLogFile(directory, path) }
}

async function readLogFile(directory: string, path: string): Promise<Uint8Array | null> {
  if (path === 'checkpoint') return readWhole(join(directory, path), NOTE_BYTES_MAX)
  if (parseTilePath(path) === null) throw new TypeError(`"${path}" is no path of a log's file`)
  return readWhole(join(directory, path), BUNDLE_BYTES_MAX)
}
