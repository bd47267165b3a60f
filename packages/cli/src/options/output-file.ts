// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { messageOf } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'

/**
 * Writes a file, replacing another as a whole. What lies at the path may be a repository's choice: a link there is replaced, never followed.
 *
 * @throws UsageError FILE_EXISTS without `force`, FILE_UNWRITABLE.
 */
export function writeOutputFile(path: string, text: string, { force }: { readonly force: boolean }): void {
  const temporary = `${path}.${randomUUID()}`
  try {
    writeFileSync(force ? temporary : path, text, { flag: 'wx' })
    if (force) renameSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new UsageError('FILE_EXISTS', `Cannot write "${path}": it exists`, { hint: 'Compare the two, or replace it with --force' })
    throw new UsageError('FILE_UNWRITABLE', `Cannot write "${path}": ${messageOf(error)}`)
  } finally {
    rmSync(temporary, { force: true })
  }
}
