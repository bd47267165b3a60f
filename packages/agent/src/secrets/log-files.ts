// SPDX-License-Identifier: Apache-2.0
// Files of somebody else's log, which are written to, rotated, zipped and cut while they are read.
import { createReadStream, type ReadStream } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { messageOf } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'

/** Below a directory that was named; a trail has a level for each of account, region, year, month and day. */
const DEPTH_MAX = 12
const CHUNK_BYTES = 1 << 18

/** The files that are named, and those in directories that are, in the order of their names. @throws AgentError MANAGER_LOG_UNREADABLE */
export async function filesOf(places: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const place of places) found.push(...(await readable(place, () => filesBelow(place, 0))))
  return found
}

async function filesBelow(place: string, depth: number): Promise<readonly string[]> {
  if (!(await stat(place)).isDirectory()) return [place]
  const entries = depth < DEPTH_MAX ? await readdir(place, { withFileTypes: true }) : []
  const found: string[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) found.push(...(await filesBelow(join(place, entry.name), depth + 1)))
    else if (entry.isFile()) found.push(join(place, entry.name))
  }
  return found
}

/** From its beginning to where it ends now. @throws AgentError MANAGER_LOG_UNREADABLE */
export async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  try {
    yield* path.endsWith('.gz') ? unzipped(file) : file
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    file.destroy()
  }
}

/** A failure of the file ends what is read of it. */
function unzipped(file: ReadStream): AsyncIterable<Uint8Array> {
  const unzip = createGunzip()
  file.on('error', (error) => unzip.destroy(error))
  return file.pipe(unzip)
}

/** What happened to a file between two looks. */
export type Followed = { readonly kind: 'chunk'; readonly bytes: Uint8Array } | { readonly kind: 'rotated' } | { readonly kind: 'cut' }

/** One file that grows, and is replaced by an empty one from time to time. */
export class FollowedFile implements AsyncDisposable {
  readonly #path: string
  #file: FileHandle | null = null
  #inode = 0n
  #position = 0

  constructor(path: string) {
    this.#path = path
  }

  /** What has come since the last look. @throws AgentError MANAGER_LOG_UNREADABLE, where the file was never there */
  async *look(): AsyncGenerator<Followed> {
    if (this.#file === null) await readable(this.#path, () => this.#open())
    yield* this.#rest()
    const there = await stat(this.#path, { bigint: true }).catch(() => null)
    // Gone: whoever rotates has not made the new one yet
    if (there === null) return
    if (there.ino === this.#inode) {
      if (there.size >= BigInt(this.#position)) return
      this.#position = 0
      yield { kind: 'cut' }
      return yield* this.#rest()
    }
    // What came to the old one after it was renamed
    yield* this.#rest()
    await this.#file?.close()
    await readable(this.#path, () => this.#open())
    yield { kind: 'rotated' }
    yield* this.#rest()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close()
    this.#file = null
  }

  async #open(): Promise<void> {
    this.#file = await open(this.#path, 'r')
    this.#inode = (await this.#file.stat({ bigint: true })).ino
    this.#position = 0
  }

  async *#rest(): AsyncGenerator<Followed> {
    for (;;) {
      const { bytesRead, buffer } = await readable(this.#path, async () => {
        if (this.#file === null) throw new TypeError('a file that is not open')
        return this.#file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, this.#position)
      })
      if (bytesRead === 0) return
      this.#position += bytesRead
      yield { kind: 'chunk', bytes: buffer.subarray(0, bytesRead) }
    }
  }
}

async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): AgentError {
  return new AgentError('MANAGER_LOG_UNREADABLE', `Cannot read "${path}": ${messageOf(error)}`, { cause: error })
}
