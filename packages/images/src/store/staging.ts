// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { lstatSync, statSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLockFile } from '@sallyport/linux'
import { LOCK_FLAGS } from './locks.ts'

const SUFFIX = '.lock'

/** A directory for one pull. Its lock says that somebody works there; without, it is what a killed pull left. */
export class Staging implements AsyncDisposable {
  readonly directory: string
  readonly #lock: FileHandle

  private constructor(directory: string, lock: FileHandle) {
    this.directory = directory
    this.#lock = lock
  }

  static async create(parent: string): Promise<Staging> {
    for (;;) {
      const directory = join(parent, randomBytes(8).toString('hex'))
      const lock = await open(`${directory}${SUFFIX}`, LOCK_FLAGS, 0o600)
      // Whoever sweeps may have had it between the two calls, and removed it.
      if (tryLockFile(lock.fd) && isThere(directory, (await lock.stat()).ino)) {
        await mkdir(directory, { mode: 0o700 })
        return new Staging(directory, lock)
      }
      await lock.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await rm(`${this.directory}${SUFFIX}`, { force: true })
    await this.#lock.close()
  }
}

function isThere(directory: string, inode: number): boolean {
  return statSync(`${directory}${SUFFIX}`, { throwIfNoEntry: false })?.ino === inode
}

/** Removes what nobody works on. @returns how many, and with `isDryRun` how many there are */
export async function sweepStaging(parent: string, isDryRun = false): Promise<number> {
  let swept = 0
  for (const name of await readdir(parent)) {
    const path = join(parent, name)
    const base = name.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : path
    const lock = await open(`${base}${SUFFIX}`, LOCK_FLAGS, 0o600)
    try {
      if (!tryLockFile(lock.fd)) continue
      const hasDirectory = lstatSync(base, { throwIfNoEntry: false }) !== undefined
      if (hasDirectory) swept += 1
      if (isDryRun) continue
      await rm(base, { recursive: true, force: true })
      await rm(`${base}${SUFFIX}`, { force: true })
    } finally {
      await lock.close()
    }
  }
  return swept
}
