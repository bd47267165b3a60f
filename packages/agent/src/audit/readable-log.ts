// SPDX-License-Identifier: Apache-2.0
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TileSource } from '@sallyport/audit-log'
import {
  type ArchivedRange,
  archivedRange,
  directoryTileSource,
  type RefusedFiles,
  readableMinimum,
  StoreError,
  withArchives,
} from '@sallyport/store'

/** Where archives are made unless somebody says otherwise. */
export function archivesIn(logDirectory: string): string {
  return join(logDirectory, 'archives')
}

export type Archive = ArchivedRange & { readonly path: string }

/** What is still to be had of a log that was pruned. */
export interface Unpruned {
  /** The latest first; each goes on where the one before it, or the log itself, begins. */
  readonly archives: readonly Archive[]
  /** The first entry that is here. */
  readonly minimumIndex: number
}

export interface ReadableLog extends Unpruned {
  readonly source: TileSource
}

/** The tree in `tree`, with what was archived of the log in `logDirectory` and is in `archives`. */
export async function readableLog(logDirectory: string, tree: string, archives: string = archivesIn(logDirectory)): Promise<ReadableLog> {
  const unpruned = await findArchives(archives, await readableMinimum(logDirectory))
  return { ...unpruned, source: joined(directoryTileSource(tree), unpruned) }
}

/** Those in `directory` that a log needs which begins at `minimumIndex`. */
export async function findArchives(directory: string, minimumIndex: number, refused: RefusedFiles | null = null): Promise<Unpruned> {
  const archives: Archive[] = []
  let first = minimumIndex
  for (const archive of first === 0 ? [] : await listArchives(directory, refused)) {
    // One that is elsewhere now ends what can be read
    if (archive.end < first) break
    if (archive.first >= first) continue
    archives.push(archive)
    first = archive.first
  }
  return { archives, minimumIndex: first }
}

export function joined(log: TileSource, { archives }: Unpruned, refused: RefusedFiles | null = null): TileSource {
  return withArchives(
    log,
    archives.map(({ path }) => directoryTileSource(path, refused?.add)),
  )
}

/** The latest first. What is none there is left to `audit archive --verify`; whoever checks is told. */
async function listArchives(directory: string, refused: RefusedFiles | null): Promise<readonly Archive[]> {
  const found: Archive[] = []
  for (const name of await namesIn(directory)) {
    const path = join(directory, name)
    try {
      if (!name.endsWith('.new')) found.push({ path, ...(await archivedRange(path)) })
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      refused?.add(error)
    }
  }
  return found.toSorted((a, b) => b.end - a.end)
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw StoreError.from(`Cannot read the archives in "${directory}"`, error)
  }
}
