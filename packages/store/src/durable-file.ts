// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, type PathLike, read, readSync, type Stats } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
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
const WRITE_FLAGS = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Creates a file that was not there, readable for its owner only. */
export async function createFile(path: string): Promise<PiecewiseFile> {
  return durableFile(await open(path, CREATE_FLAGS, 0o600))
}

/** A file that is there, to be written in place. @throws as `openFile` does */
export async function openForWriting(path: string): Promise<PiecewiseFile> {
  return durableFile(await openRegular(path, WRITE_FLAGS))
}

function durableFile(handle: FileHandle): PiecewiseFile {
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
export function openFile(path: string): Promise<FileHandle> {
  return openRegular(path, READ_FLAGS)
}

async function openRegular(path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags)
  try {
    assertRegular(await handle.stat(), path)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

function assertRegular(stat: Stats, path: string): void {
  if (!stat.isFile()) throw Object.assign(new Error(`"${path}" is not a regular file`), { code: 'ELOOP' })
}

/**
 * A full tile. The kernel copies it faster than a thread of the pool is woken up; what is longer is left to those, so that whoever reads a whole log
 * reads ahead, and lets others have a turn.
 */
const AT_ONCE_BYTES_MAX = 8 * 1024

const readLater = promisify(read)

/**
 * The whole of a small file, as long as it was when it was opened; null where there is none. What {@link openFile} refuses is an error here, too.
 *
 * Opened at once, not by the thread pool: seven ways there and back for each file were two thirds of what a proof of five tiles took.
 *
 * @throws StoreError STORE_CORRUPT when it is larger than anybody would write it.
 */
export async function readWhole(path: string, bytesMax: number): Promise<Buffer | null> {
  try {
    const file = openSync(path, READ_FLAGS)
    try {
      const stat = fstatSync(file)
      assertRegular(stat, path)
      if (stat.size > bytesMax) throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": ${stat.size} bytes is more than it may have`)
      return await readBytes(file, stat.size)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw StoreError.from(`Cannot read "${path}"`, error)
  }
}

/** Fewer than `size` where the file has become shorter. */
async function readBytes(file: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size)
  let done = 0
  while (done < size) {
    const count =
      size > AT_ONCE_BYTES_MAX
        ? (await readLater(file, bytes, done, size - done, null)).bytesRead
        : readSync(file, bytes, done, size - done, null)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
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
