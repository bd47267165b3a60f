// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import {
  AuditLogError,
  equalHashes,
  parseCheckpoint,
  parseNote,
  rootAt,
  TileHashes,
  type TileSource,
  type TreeHead,
} from '@sallyport/audit-log'
import { writeFileDurably } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import type { LogPaths } from './log-paths.ts'

/** What readers see. @throws StoreError STORE_CORRUPT when the checkpoint is not one of the tree that is there. */
export async function readPublished(source: TileSource, durable: TreeHead, origin: string): Promise<TreeHead | null> {
  const note = await source.read('checkpoint')
  if (note === null) return null
  try {
    const head = parseCheckpoint(parseNote(note).text)
    if (head.origin === origin && (await isTreeOf(source, durable, head))) return { size: head.size, root: head.root }
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error // It is none, or a tile that it needs is gone.
  }
  throw new StoreError('STORE_CORRUPT', 'Cannot continue the log: its checkpoint is not one of the tree that was written', {
    hint: 'Somebody changed the log or put back an older copy of a part of it: sallyport audit verify says what is wrong',
  })
}

/** Whether `head` is an earlier tree of the durable one, or that one. */
export async function isTreeOf(source: TileSource, durable: TreeHead, { size, root }: TreeHead): Promise<boolean> {
  return size <= durable.size && equalHashes(await rootAt(new TileHashes(source, durable.size), size), root)
}

/** From then on, readers see it. The caller holds the lock. */
export async function writeCheckpoint(paths: LogPaths, note: Uint8Array): Promise<void> {
  await writeFileDurably(paths.checkpoint, note, join(paths.scratch, 'checkpoint'))
}
