// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'

/** As many links as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40

export interface TreeEntry {
  /** From the tree's root, without links. */
  readonly path: string
  readonly stats: Stats
}

/**
 * Reads the tree of an image, from outside. Untrusted: whoever made the image chose every name and link in it. The kernel never follows one of them for us;
 * a link is read, and looked up again from the tree's root. Nothing is opened but regular files. Nobody changes the tree meanwhile: a store's is read-only.
 */
export class ImageTree {
  readonly #root: string

  /** Absolute. */
  constructor(root: string) {
    this.#root = root
  }

  /** The entry with exactly that path, no link in it; null where there is none, or where a component is a link. */
  at(path: string): Stats | null {
    const parts = path.split('/').filter((part) => part !== '')
    let stats = lstat(this.#root)
    for (let count = 1; count <= parts.length && stats !== null; count += 1) {
      if (!stats.isDirectory()) return null
      stats = lstat(join(this.#root, ...parts.slice(0, count)))
    }
    return stats
  }

  isDirectory(path: string): boolean {
    return this.at(path)?.isDirectory() ?? false
  }

  /** What a process of the image finds at `path`, links followed within the tree as a root directory; null where there is nothing. */
  find(path: string): TreeEntry | null {
    const pending = path.split('/')
    const found: string[] = []
    let links = 0
    let stats = lstat(this.#root)
    while (pending.length > 0) {
      const part = pending.shift() ?? ''
      if (part === '' || part === '.') continue
      if (part === '..') {
        found.pop()
        continue
      }
      const at = join(this.#root, ...found, part)
      stats = lstat(at)
      if (stats === null) return null
      if (!stats.isSymbolicLink()) {
        found.push(part)
        continue
      }
      links += 1
      if (links > LINKS_MAX) return null
      const target = readlinkSync(at)
      if (target.startsWith('/')) found.length = 0
      pending.unshift(...target.split('/'))
    }
    stats = this.at(found.join('/'))
    return stats === null ? null : { path: `/${found.join('/')}`, stats }
  }

  /** The first `bytesMax` bytes of the regular file at exactly `path`; null for anything else, and for a larger one. */
  read(path: string, bytesMax: number): Buffer | null {
    const bytes = this.readStart(path, bytesMax + 1)
    return bytes === null || bytes.length > bytesMax ? null : bytes
  }

  /** At most `bytesMax` bytes from the start of the regular file at exactly `path`; null for anything else. */
  readStart(path: string, bytesMax: number): Buffer | null {
    if (this.at(path)?.isFile() !== true) return null
    const file = openSync(join(this.#root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!fstatSync(file).isFile()) return null
      const bytes = Buffer.alloc(bytesMax)
      return bytes.subarray(0, readSync(file, bytes, 0, bytesMax, 0))
    } finally {
      closeSync(file)
    }
  }
}

function lstat(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null
  } catch (error) {
    // Names that are too long, or below what is no directory: nothing of that name is there.
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENAMETOOLONG' || code === 'ENOTDIR') return null
    throw error
  }
}
