// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, readdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  AuditLogError,
  equalHashes,
  parseCheckpoint,
  parseNote,
  rootAt,
  TILE_WIDTH,
  TileHashes,
  type TileSource,
  type TreeHead,
} from '@sallyport/audit-log'
import { syncDirectory } from '../durable-file.ts'
import { lockExclusively } from '../exclusive-lock.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { errnoOf, StoreError } from '../store-error.ts'
import type { TransparencyLog, TransparencyLogOptions } from './contract.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { entriesFrom } from './frame.ts'
import { type LogPaths, logPaths } from './log-paths.ts'
import { LogWriter } from './log-writer.ts'
import { collectPartials } from './partial-tiles.ts'
import { findPending, PendingEntries, readPending } from './pending-entries.ts'
import { TileFiles } from './tile-files.ts'
import { TreeEdge } from './tree-edge.ts'
import { readTreeState, writeTreeState } from './tree-state.ts'

/** Pending entries, and files of them, that are read again at every opening: what others left, not what a crash did. */
const LEFT_ENTRIES_MAX = 1000
const LEFT_FILES_MAX = 16

/**
 * Opens the log in `directory`, a new one if there is none, as its one writer, after repairing whatever a crash left behind.
 *
 * @throws StoreError LOG_LOCKED while another process writes it; STORE_CORRUPT when what is there is not what was written.
 */
export async function openTransparencyLog(directory: string, options: TransparencyLogOptions): Promise<TransparencyLog> {
  const paths = logPaths(resolve(directory))
  try {
    for (const path of [resolve(directory), paths.tree, paths.pending, paths.scratch]) await makePrivateDirectory(path)
    const lock = await lockExclusively(paths.lock, options.lockWaitMs)
    if (lock === null)
      throw new StoreError(
        'LOG_LOCKED',
        `Cannot write to the log in "${directory}": another process has held it for ${options.lockWaitMs} ms`,
        {
          hint: 'One process at a time writes to a log: wait until it is done, or name another log',
        },
      )
    try {
      return await recover(resolve(directory), lock, options)
    } catch (error) {
      await lock.close()
      throw error
    }
  } catch (error) {
    throw StoreError.from(`Cannot open the log in "${directory}"`, error)
  }
}

async function recover(directory: string, lock: FileHandle, options: TransparencyLogOptions): Promise<TransparencyLog> {
  const paths = logPaths(directory)
  const isLeft = await takeMark(paths.left)
  for (const name of await readdir(paths.scratch)) await rm(join(paths.scratch, name), { recursive: true })
  const source = directoryTileSource(paths.tree)
  const state = await readTreeState(paths.state)
  // Later, writing the state has made these names durable; now perhaps a process made them that did not come to it.
  if (state.size === 0) for (const path of [directory, dirname(directory)]) await syncDirectory(path)
  const edge = await TreeEdge.read(source, state)
  const files = new TileFiles(paths.tree, paths.scratch)
  const left = await findPending(paths.pending)
  const recovered = await replayPending({ paths, files, edge }, left)
  const { entries, tornBytes } = recovered
  // What little others left can wait until somebody publishes, or until it is more.
  const waits = isLeft && entries <= LEFT_ENTRIES_MAX && left.paths.length <= LEFT_FILES_MAX
  const settles = left.paths.length > 0 && !waits
  const durable = settles && edge.size !== state.size ? await edge.snapshot().head() : state
  if (settles) await settlePending({ paths, files, edge, sizes: recovered.sizes }, left.paths)
  const published = await readPublished(source, durable, options.signer.origin)
  const kept = settles ? [] : left.paths.map((path) => ({ path, bytes: 0, end: edge.size }))
  const pending = new PendingEntries(paths.pending, left.number, kept)
  return new LogWriter({ paths, lock, pending, files, edge, source, durable, published, recovered: { entries, tornBytes } }, options)
}

/** Gone before anything is written: after a crash there is none. Should a power failure bring it back, partial tiles stay that nobody needs. */
async function takeMark(path: string): Promise<boolean> {
  try {
    await rm(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

interface Parts {
  readonly paths: LogPaths
  readonly files: TileFiles
  readonly edge: TreeEdge
}

/** Appends what was durable and not in the tree. `sizes`: of the log at commits whose tree may have left partial tiles, one for each level 0 tile. */
async function replayPending(
  { files, edge }: Parts,
  left: Awaited<ReturnType<typeof findPending>>,
): Promise<TransparencyLog['recovered'] & { readonly sizes: readonly number[] }> {
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
    for (const { path, content } of edge.append(entries, edge.hash(entries))) files.write(path, content)
    await files.room()
  }
  return { entries: edge.size - before, tornBytes, sizes: [...sizes.values()] }
}

/** Whatever was in the tree before may not be durable: the process that wrote it did perhaps not get that far. */
async function settlePending(
  { paths, files, edge, sizes }: Parts & { readonly sizes: readonly number[] },
  pending: readonly string[],
): Promise<void> {
  const snapshot = edge.snapshot()
  for (const { path, content } of snapshot.files) files.write(path, content)
  await files.flush()
  const head = await snapshot.head()
  await writeTreeState(paths.state, head, join(paths.scratch, 'state'))
  for (const size of sizes) await collectPartials(paths.tree, size, head.size)
  for (const path of pending) await rm(path)
}

/** @throws StoreError STORE_CORRUPT when the checkpoint is not one of the tree that is there. */
async function readPublished(source: TileSource, durable: TreeHead, origin: string): Promise<TreeHead | null> {
  const note = await source.read('checkpoint')
  if (note === null) return null
  try {
    const { size, root, ...checkpoint } = parseCheckpoint(parseNote(note).text)
    const isOurs = checkpoint.origin === origin && size <= durable.size
    if (isOurs && equalHashes(await rootAt(new TileHashes(source, durable.size), size), root)) return { size, root }
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error // It is none, or a tile that it needs is gone.
  }
  throw new StoreError('STORE_CORRUPT', 'Cannot continue the log: its checkpoint is not one of the tree that was written', {
    hint: 'Somebody changed the log or put back an older copy of a part of it: sallyport audit verify says what is wrong',
  })
}
