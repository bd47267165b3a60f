// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, readdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { syncDirectory } from '../durable-file.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { errnoOf, StoreError } from '../store-error.ts'
import type { TransparencyLog, TransparencyLogOptions } from './contract.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { lockLog } from './lock-log.ts'
import { type LogPaths, logPaths } from './log-paths.ts'
import { LogWriter } from './log-writer.ts'
import { collectPartials } from './partial-tiles.ts'
import { findPending, PendingEntries } from './pending-entries.ts'
import { readPublished } from './published-checkpoint.ts'
import { replayPending } from './replay-pending.ts'
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
    const lock = await lockLog(directory, options.lockWaitMs)
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
  const recovered = await replayPending(edge, left, ({ path, content }) => {
    files.write(path, content)
    return files.room()
  })
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
