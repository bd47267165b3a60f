// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tryLockFile } from '@sallyport/linux'

export const LOCK_FLAGS: number = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW
const RETRY_MS = 50

/** Waits for the lock of a name in a directory, as long as it takes: whoever has it is at work, or dead, and then it is free. It ends with the handle. */
export async function lockName(directory: string, name: string, signal: AbortSignal, onWait?: () => void): Promise<FileHandle> {
  const handle = await open(join(directory, name), LOCK_FLAGS, 0o600)
  try {
    let isTold = false
    while (!tryLockFile(handle.fd)) {
      if (!isTold) onWait?.()
      isTold = true
      await sleep(RETRY_MS, undefined, { signal })
    }
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}
