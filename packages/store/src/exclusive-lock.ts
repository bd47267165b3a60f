// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { tryLockFile } from '@sallyport/linux'
import { StoreError } from './store-error.ts'

const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW

/** Holders keep it for some tens of milliseconds, where they do not keep it for good. */
const RETRY_MS = 10

/**
 * The lock of a file that is there for nothing else. It ends with the handle, or the process. Null when somebody else, also in this
 * process, still holds it after `waitMs`.
 * @throws StoreError, with the system's as its cause, where it cannot be opened: what stands there is a link or a directory, say
 */
export async function lockExclusively(path: string, waitMs: number): Promise<FileHandle | null> {
  const handle = await open(path, OPEN_FLAGS, 0o600).catch((error: unknown) => {
    throw StoreError.from(`Cannot lock "${path}"`, error)
  })
  try {
    const deadlineMs = performance.now() + waitMs
    while (!tryLockFile(handle.fd)) {
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) {
        await handle.close()
        return null
      }
      await sleep(Math.min(RETRY_MS, leftMs))
    }
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}
