// SPDX-License-Identifier: Apache-2.0
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { entriesPath, hashesAt, TILE_WIDTH, tilePath } from '@sallyport/audit-log'
import { syncDirectory } from '../durable-file.ts'

/**
 * Removes the partial tiles and bundles that the full ones have replaced: those at the right edge of the tree of `since`
 * entries, as far as they are full in the durable tree of `size`. Each tree in between has its own edge: call it for every step. Readers take the full ones
 * then, also for a checkpoint that has the partial ones (tlog-tiles, "Partial Tiles").
 */
export async function collectPartials(directory: string, since: number, size: number): Promise<void> {
  const paths = [...fullSince(since, size)].map((path) => join(directory, `${path}.p`))
  for (const path of paths) await rm(path, { recursive: true, force: true })
  // Durably: nobody looks for them a second time.
  await Promise.all([...new Set(paths.map(dirname))].map(syncDirectory))
}

function* fullSince(since: number, size: number): Generator<string> {
  for (let level = 0; hashesAt(since, level) > 0; level += 1) {
    const index = Math.floor(hashesAt(since, level) / TILE_WIDTH)
    if (hashesAt(size, level) < (index + 1) * TILE_WIDTH) return
    yield tilePath({ level, index, width: TILE_WIDTH })
    if (level === 0) yield entriesPath({ index, width: TILE_WIDTH })
  }
}
