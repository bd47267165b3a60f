// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises'
import { resolve } from 'node:path'
import { lockExclusively } from '../exclusive-lock.ts'
import { StoreError } from '../store-error.ts'
import { logPaths } from './log-paths.ts'

/** Makes the caller the one writer of a log, until the handle is closed. @throws StoreError LOG_LOCKED */
export async function lockLog(directory: string, waitMs: number): Promise<FileHandle> {
  const lock = await lockExclusively(logPaths(resolve(directory)).lock, waitMs)
  if (lock !== null) return lock
  throw new StoreError('LOG_LOCKED', `Cannot write to the log in "${directory}": another process has held it for ${waitMs} ms`, {
    hint: 'One process at a time writes to a log: wait until it is done, or name another log',
  })
}
