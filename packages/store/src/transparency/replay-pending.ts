// SPDX-License-Identifier: Apache-2.0
import { TILE_WIDTH } from '@sallyport/audit-log'
import { StoreError } from '../store-error.ts'
import { entriesFrom } from './frame.ts'
import { type LeftPending, readPending } from './pending-entries.ts'
import type { TreeEdge, TreeFile } from './tree-edge.ts'

export interface Replayed {
  readonly entries: number
  readonly tornBytes: number
  /** Of the log at commits whose tree may have left partial tiles, one for each level 0 tile. */
  readonly sizes: readonly number[]
}

/** Appends what was durable and not in the tree; `write` takes the files that are full with it. */
export async function replayPending(
  edge: TreeEdge,
  left: LeftPending,
  write: (file: TreeFile) => Promise<void> | undefined,
): Promise<Replayed> {
  const before = edge.size
  const sizes = new Map<number, number>()
  let tornBytes = 0
  for await (const frame of readPending(left, (bytes) => {
    tornBytes += bytes
  })) {
    sizes.set(Math.floor(frame.first / TILE_WIDTH), frame.first)
    if (frame.first > edge.size)
      throw new StoreError(
        'STORE_CORRUPT',
        `Cannot continue the log: entries ${edge.size} to ${frame.first - 1} are neither in the tree nor pending`,
        {
          hint: 'Somebody removed a file of the log, or the disk lost it; restore the directory from a backup, or start a new log',
        },
      )
    const entries = entriesFrom(frame, edge.size)
    if (entries.ends.length === 0) continue
    for (const file of edge.append(entries, edge.hash(entries))) await write(file)
  }
  return { entries: edge.size - before, tornBytes, sizes: [...sizes.values()] }
}
