// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { posix } from 'node:path'

const BYTES_MAX = 4 << 20
const ENTRIES_MAX = 4096

/**
 * A host's files, for reading: `/` in the product, a made-up tree in tests. Files below home directories are their users' and are never opened, only looked at
 * (lstat): a FIFO or a link there stops or leads nobody.
 */
export class HostView {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** Null where there is no such file, or it cannot be read; cut at 4 MiB. Only for files of the system. */
  bytes(path: string): Buffer | null {
    try {
      const fd = openSync(this.#at(path), constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        return readAll(fd)
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      return absent(error)
    }
  }

  text(path: string): string | null {
    return this.bytes(path)?.toString('utf8') ?? null
  }

  /** Names in a directory; none where there is none. */
  names(path: string): readonly string[] {
    try {
      return readdirSync(this.#at(path)).sort().slice(0, ENTRIES_MAX)
    } catch (error) {
      return absent(error) ?? []
    }
  }

  /** Of the thing itself, links not followed. */
  stat(path: string): Stats | null {
    try {
      return lstatSync(this.#at(path))
    } catch (error) {
      return absent(error)
    }
  }

  link(path: string): string | null {
    try {
      return readlinkSync(this.#at(path))
    } catch (error) {
      return absent(error)
    }
  }

  /** Whether somebody who is neither owner nor in the group gets at it: each directory above has to let them through. */
  isOpenToOthers(path: string, bits: number): boolean {
    const stats = this.stat(path)
    if (stats === null || stats.isSymbolicLink() || (stats.mode & bits) === 0) return false
    for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent)) {
      const above = this.stat(parent)
      // A link on the way (`/var/run`) leads on: whoever made it is the system.
      if (above !== null && !above.isSymbolicLink() && (above.mode & 0o001) === 0) return false
    }
    return true
  }

  #at(path: string): string {
    return posix.join(this.#root, path)
  }
}

/** Files of /proc say that they have no bytes: they are read to their end. */
function readAll(fd: number): Buffer {
  const parts: Buffer[] = []
  for (let bytes = 0; bytes < BYTES_MAX; ) {
    const part = Buffer.alloc(65_536)
    const count = readSync(fd, part)
    if (count === 0) break
    parts.push(part.subarray(0, count))
    bytes += count
  }
  return Buffer.concat(parts)
}

/** Whatever cannot be asked is not there for us; what that means each check says itself. */
function absent(error: unknown): null {
  if (error instanceof Error && 'code' in error) return null
  throw error
}
