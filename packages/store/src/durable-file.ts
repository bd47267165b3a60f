// SPDX-License-Identifier: Apache-2.0
import { constants, type PathLike } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What the journal and the logs need of a file; tests put a failing disk behind it. */
export interface DurableFile {
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves once what was written is on stable storage. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Creates a file that was not there, readable for its owner only. */
export async function createFile(path: string): Promise<DurableFile> {
  const handle = await open(path, CREATE_FLAGS, 0o600)
  return {
    write: (bytes, position) => writeAll(handle, bytes, position),
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}

/** Opens a regular file of the record; a symbolic link, a FIFO or a device in its place is an error, not a wait. */
export async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, READ_FLAGS)
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw Object.assign(new Error(`"${path}" is not a regular file`), { code: 'ELOOP' })
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Replaces `path` in one step: after a crash it holds either nothing, or the old or the new content as a whole. */
export async function writeFileDurably(path: string, content: string): Promise<void> {
  // Two processes may write the same file: the later rename wins, and neither tears the other's.
  const temporary = `${path}.${process.pid}.tmp`
  await rm(temporary, { force: true })
  const file = await createFile(temporary)
  try {
    await file.write(Buffer.from(content), 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes the names in a directory durable; a file's own fsync does not. */
export async function syncDirectory(path: PathLike): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
