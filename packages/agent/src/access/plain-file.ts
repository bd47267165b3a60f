// SPDX-License-Identifier: Apache-2.0
import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { formatSize } from '@sallyport/core'

export interface PlainFile {
  readonly text: string
  readonly stats: Stats
}

export interface PlainFileOptions {
  readonly bytesMax: number
  /** Whether the last part of the path may be a symbolic link. */
  readonly followsLinks: boolean
}

const CHUNK_BYTES = 64 * 1024
/** A directory on the way that is none, too. */
const NOT_THERE: readonly unknown[] = ['ENOENT', 'ENOTDIR']

/**
 * Text of a regular file that may have been put there by anybody: nothing waits (a FIFO without a writer hangs one of Node's few file
 * threads), and nothing large is read. Null when there is none.
 *
 * @throws Error in words that end a sentence `Cannot read "…": `.
 */
export async function readPlainFile(path: string, { bytesMax, followsLinks }: PlainFileOptions): Promise<PlainFile | null> {
  const handle = await openPlain(path, followsLinks ? 0 : constants.O_NOFOLLOW)
  if (handle === null) return null
  await using _closing = handle
  const stats = await handle.stat()
  if (!stats.isFile()) throw new Error('it is not a regular file')
  if (stats.size > bytesMax) throw new Error(`it has ${formatSize(stats.size)}, and the most is ${formatSize(bytesMax)}`)
  return { text: decode(await readAtMost(handle, bytesMax)), stats }
}

async function openPlain(path: string, flag: number): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | flag)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (NOT_THERE.includes(code)) return null
    if (code === 'ELOOP') throw new Error('it is a symbolic link', { cause: error })
    throw error
  }
}

/** The size may change between `fstat` and here. */
async function readAtMost(handle: FileHandle, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  while (length <= bytesMax) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, length)
    if (bytesRead === 0) break
    chunks.push(buffer.subarray(0, bytesRead))
    length += bytesRead
  }
  if (length > bytesMax) throw new Error(`it has more than ${formatSize(bytesMax)}`)
  return Buffer.concat(chunks)
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('it is not UTF-8 text')
  }
}
