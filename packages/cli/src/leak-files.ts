// SPDX-License-Identifier: Apache-2.0
import { constants, type Dirent } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@sallyport/core'
import type { LeakSearch, Unsearched } from '@sallyport/leak-scan'

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
const DEPTH_MAX = 100

/** Files and directories below a path, whatever is there: no link is followed, and no FIFO or device waited for. Returns how many files were searched. */
export async function searchPath(path: string, search: LeakSearch, unsearched: (what: Unsearched) => void, depth = 0): Promise<number> {
  try {
    const stat = await lstat(path)
    if (stat.isFile()) return await searchFile(path, search)
    if (stat.isDirectory() && depth < DEPTH_MAX) return await searchDirectory(path, search, unsearched, depth + 1)
    // What a link leads to is searched where it is, if it was named.
    if (!stat.isSymbolicLink() || depth === 0) unsearched({ place: path, reason: 'it is no file and no directory, or too deep' })
  } catch (error) {
    unsearched({ place: path, reason: messageOf(error) })
  }
  return 0
}

async function searchDirectory(path: string, search: LeakSearch, unsearched: (what: Unsearched) => void, depth: number): Promise<number> {
  const entries: readonly Dirent[] = await readdir(path, { withFileTypes: true })
  let files = 0
  for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    files += await searchPath(join(path, name), search, unsearched, depth)
  return files
}

async function searchFile(path: string, search: LeakSearch): Promise<number> {
  const handle = await open(path, FLAGS)
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no file any more')
    await search.search(path, handle.createReadStream({ autoClose: false, highWaterMark: 1 << 18 }))
  } finally {
    await handle.close()
  }
  return 1
}
