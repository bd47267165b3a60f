// SPDX-License-Identifier: Apache-2.0
import { constants, type PathLike } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, StoreError } from './store-error.ts'

/** What the journal and the logs need of a file; tests put a failing disk behind it. */
export interface DurableFile {
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves once what was written is on stable storage. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** What the logs need beside it. */
export interface PiecewiseFile extends DurableFile {
  /** Writes all of them at `position`, one behind the other. */
  writePieces(pieces: readonly Uint8Array[], position: number): Promise<void>
}

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Creates a file that was not there, readable for its owner only. */
export async function createFile(path: string): Promise<PiecewiseFile> {
  const handle = await open(path, CREATE_FLAGS, 0o600)
  return {
    write: (bytes, position) => writeAll(handle, bytes, position),
    writePieces: (pieces, position) => writeAllPieces(handle, pieces, position),
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

async function writeAllPieces(handle: FileHandle, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let left = pieces.filter((piece) => piece.byteLength > 0)
  for (let at = position; left.length > 0; ) {
    const { bytesWritten } = await handle.writev(left, at)
    at += bytesWritten
    left = behind(left, bytesWritten)
  }
}

/** What follows the first `bytes` of some pieces. */
function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  const whole = pieces.findIndex((piece) => {
    if (left < piece.byteLength) return true
    left -= piece.byteLength
    return false
  })
  if (whole < 0) return []
  return [(pieces[whole] as Uint8Array).subarray(left), ...pieces.slice(whole + 1)]
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

/** The whole of a small file; null where there is none. @throws StoreError STORE_CORRUPT when it is larger than anybody would write it. */
export async function readWhole(path: string, bytesMax: number): Promise<Buffer | null> {
  try {
    const handle = await openFile(path)
    await using _closing = handle
    const { size } = await handle.stat()
    if (size > bytesMax) throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": ${size} bytes is more than it may have`)
    return await readFile(handle)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw StoreError.from(`Cannot read "${path}"`, error)
  }
}

/** A new file with durable content; its name is not durable yet. */
export async function createDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await createFile(path)
  try {
    await file.write(content, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/**
 * Replaces `path` in one step: after a crash it holds either nothing, or the old or the new content as a whole. `temporary`: where it
 * is made, in the same file system.
 */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array,
  // Two processes may write the same file: the later rename wins, and neither tears the other's.
  temporary = `${path}.${process.pid}.tmp`,
): Promise<void> {
  await rm(temporary, { force: true })
  await createDurably(temporary, typeof content === 'string' ? Buffer.from(content) : content)
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Overwrites a small secret before it goes: on a plain disk, that is where it was. */
export async function destroyFile(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    await handle.write(Buffer.alloc((await handle.stat()).size), 0)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rm(path)
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
