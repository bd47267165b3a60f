// SPDX-License-Identifier: Apache-2.0
// A log as it stands, for whoever checks it: nothing is repaired, nothing is written.
import { existsSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AuditLogError, type TileSource, type TreeHead } from '@sallyport/audit-log'
import { lockExclusively } from '../exclusive-lock.ts'
import { errnoOf, StoreError } from '../store-error.ts'
import { readableMinimum } from './archive.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { type LogPaths, logPaths } from './log-paths.ts'
import { findPending, type LeftPending } from './pending-entries.ts'
import { RefusedFiles } from './refused-files.ts'
import { replayPending } from './replay-pending.ts'
import { TreeEdge, type TreeFile } from './tree-edge.ts'
import { readTreeState } from './tree-state.ts'

/** A writer puts into the tree what is pending when it is 64 MiB; more than a few writers' was put there to fill the memory. */
const KEPT_BYTES_MAX = 512 * 2 ** 20

export interface LogLook<T> {
  /** What readers see, with the checkpoint as it was: later ones do not show. */
  readonly published: TileSource
  readonly hasCheckpoint: boolean
  /** What opening the log would go on with, or why it would not. */
  readonly durable: { readonly source: TileSource; readonly head: TreeHead } | { readonly problem: string }
  readonly minimumIndex: number
  readonly also: T
  readonly refused: RefusedFiles
  /** False: somebody held the log all the time, or its lock cannot be taken here, so that the parts may be of different moments. */
  readonly isStill: boolean
}

/**
 * Takes all parts at one moment: no writer is between two of them. `also` is called at that moment, for what stands elsewhere. What is pending is kept
 * in memory; the tiles are read later.
 */
export async function lookAtLog<T>(
  directory: string,
  { waitMs, also }: { readonly waitMs: number; readonly also: () => Promise<T> },
): Promise<LogLook<T>> {
  const paths = logPaths(resolve(directory))
  const locks = await locksOf(paths, resolve(directory), waitMs)
  try {
    const refused = new RefusedFiles()
    const tree = directoryTileSource(paths.tree, refused.add)
    const checkpoint = await tree.read('checkpoint')
    const [durable, minimumIndex, more] = [await readDurable(paths, tree), await readableMinimum(directory, refused.add), await also()]
    const published = { read: async (path: string) => (path === 'checkpoint' ? checkpoint : tree.read(path)) }
    return { published, hasCheckpoint: checkpoint !== null, durable, minimumIndex, also: more, refused, isStill: locks.isStill }
  } finally {
    for (const handle of locks.handles) await handle.close()
  }
}

/** Held by whoever publishes, also while witnesses are asked and others write: between signature and publication a checkpoint looks as if it were missing. */
const PUBLISHING = 'publishing'

interface Locks {
  readonly handles: readonly FileHandle[]
  readonly isStill: boolean
}

/** In the order in which those take them who publish. */
async function locksOf(paths: LogPaths, directory: string, waitMs: number): Promise<Locks> {
  const publishing = join(directory, PUBLISHING)
  const turn = await lockOf(publishing, waitMs)
  try {
    const lock = await lockOf(paths.lock, waitMs)
    const isTurn = turn !== null || !existsSync(publishing)
    return { handles: [lock, turn].filter((handle) => handle !== null), isStill: lock !== null && isTurn }
  } catch (error) {
    await turn?.close()
    throw error
  }
}

/** Null where nobody can write, and for what somebody holds for longer. */
async function lockOf(path: string, waitMs: number): Promise<FileHandle | null> {
  if (!existsSync(path)) return null // A copy: taking the lock would make the file.
  try {
    return await lockExclusively(path, waitMs)
  } catch (error) {
    const cause = error instanceof StoreError ? error.cause : error
    if (['ENOENT', 'EROFS', 'EACCES'].includes(errnoOf(cause))) return null
    throw error
  }
}

async function readDurable(paths: LogPaths, tree: TileSource): Promise<LogLook<never>['durable']> {
  try {
    const edge = await TreeEdge.read(tree, await readTreeState(paths.state))
    const files = new Map<string, TreeFile['content']>()
    let bytes = 0
    const keep = ({ path, content }: TreeFile): undefined => {
      bytes += content.reduce((sum, { byteLength }) => sum + byteLength, 0)
      if (bytes > KEPT_BYTES_MAX)
        throw new StoreError('STORE_CORRUPT', `Cannot read what is pending: it is more than ${KEPT_BYTES_MAX} bytes`)
      files.set(path, content)
    }
    await replayPending(edge, await leftPending(paths), keep)
    const snapshot = edge.snapshot()
    for (const file of snapshot.files) keep(file)
    return { source: overlay(files, tree), head: await snapshot.head() }
  } catch (error) {
    if (error instanceof AuditLogError || (error instanceof StoreError && error.code === 'STORE_CORRUPT')) return { problem: error.message }
    throw error
  }
}

async function leftPending({ pending }: LogPaths): Promise<LeftPending> {
  try {
    return await findPending(pending)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { number: 0, paths: [] }
    throw error
  }
}

function overlay(files: ReadonlyMap<string, TreeFile['content']>, tree: TileSource): TileSource {
  return {
    read: async (path) => {
      const content = files.get(path)
      return content === undefined ? tree.read(path) : Buffer.concat(content)
    },
  }
}
