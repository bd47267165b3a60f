// SPDX-License-Identifier: Apache-2.0
import { lstat, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './durable-file.ts'
import { StoreError } from './store-error.ts'

/** A directory that somebody else can write to would let them choose what the record says. @throws StoreError STORE_UNSAFE */
export async function makePrivateDirectory(path: string): Promise<void> {
  const created = await mkdir(path, { recursive: true, mode: 0o700 })
  if (created !== undefined) for (let made = path; made.length >= created.length; made = dirname(made)) await syncDirectory(dirname(made))
  const stat = await lstat(path)
  const owner = process.geteuid?.() ?? stat.uid
  if (stat.isDirectory() && stat.uid === owner && (stat.mode & 0o022) === 0) return
  const what = stat.isDirectory() ? 'another user owns it or may write to it' : 'it is not a directory'
  throw new StoreError('STORE_UNSAFE', `Cannot keep records in "${path}": ${what}`, {
    hint: 'Give it to this user with mode 0700, or name another directory with --state DIR',
  })
}
