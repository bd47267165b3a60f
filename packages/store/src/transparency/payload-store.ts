// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Commitment, HASH_BYTES, SALT_BYTES } from '@sallyport/audit-log'
import { createDurably, destroyFile, readWhole, syncDirectory } from '../durable-file.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { errnoOf, StoreError } from '../store-error.ts'

/** Of one file. What reads a payload holds one of them. */
const CHUNK_BYTES = 2 ** 20
const ABOUT_BYTES_MAX = 4096
/** A payload comes chunk by chunk, faster than this. */
const UNFINISHED_MS = 60 * 60 * 1000

/** What decides how long a payload is kept. */
export interface PayloadAbout {
  readonly class: string
  /** ISO 8601. */
  readonly at: string
  readonly source: string
  readonly job: string | null
}

export interface StoredPayload {
  readonly commitment: string
  readonly about: PayloadAbout
}

/**
 * What is too big or too personal for an entry, in `DIR/payloads/`: a directory for each, with its salt and its chunks. The entry holds the
 * commitment alone. Without the salt nobody can tell from it what the payload was, not even by guessing: erasing both is the erasure.
 */
export class PayloadStore {
  readonly #directory: string

  /** `directory`: that of the log. */
  constructor(directory: string) {
    this.#directory = join(resolve(directory), 'payloads')
  }

  /** Resolves when it is durable: append the entry afterwards. */
  async put(payload: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, about: PayloadAbout): Promise<Commitment> {
    try {
      await makePrivateDirectory(resolve(this.#directory, '..'))
      await makePrivateDirectory(this.#directory)
      // A name that no payload has; what a crash leaves under it is removed by `sweep`.
      const scratch = join(this.#directory, `new-${randomBytes(16).toString('hex')}`)
      await makePrivateDirectory(scratch)
      const commitment = await writeChunks(scratch, payload)
      await createDurably(join(scratch, 'about.json'), Buffer.from(JSON.stringify(about)))
      await syncDirectory(scratch)
      await rename(scratch, this.#path(commitment.commitment))
      await syncDirectory(this.#directory)
      return commitment
    } catch (error) {
      throw StoreError.from('Cannot keep a payload of the log', error)
    }
  }

  /**
   * Its chunks, one after the other. It is the one that the log commits to only if this comes to its end.
   * @throws StoreError PAYLOAD_ERASED, or STORE_CORRUPT, after the last chunk, when it is another one.
   */
  async *read({ commitment, bytes }: Commitment): AsyncGenerator<Uint8Array, void, undefined> {
    const directory = this.#path(commitment)
    const salt = await readWhole(join(directory, 'salt'), SALT_BYTES)
    if (salt === null) throw new StoreError('PAYLOAD_ERASED', 'Cannot read a payload of the log: it is not kept any more')
    const hash = createHash('sha256').update(salt)
    let read = 0
    for (let number = 0; read < bytes; number += 1) {
      const chunk = await readWhole(join(directory, chunkName(number)), CHUNK_BYTES)
      if (chunk === null || chunk.byteLength === 0) break
      hash.update(chunk)
      read += chunk.byteLength
      yield chunk
    }
    if (read === bytes && hash.digest('base64') === commitment) return
    throw new StoreError('STORE_CORRUPT', `Cannot read a payload of the log: "${directory}" does not hold what the log commits to`)
  }

  /** Destroys salt and payload; the log and every proof stay as they are. False when there is nothing. */
  async erase(commitment: string): Promise<boolean> {
    const directory = this.#path(commitment)
    try {
      const isThere = (await readWhole(join(directory, 'salt'), SALT_BYTES)) !== null
      if (isThere) await destroyFile(join(directory, 'salt'))
      await rm(directory, { recursive: true, force: true })
      await syncDirectory(this.#directory)
      return isThere
    } catch (error) {
      throw StoreError.from('Cannot erase a payload of the log', error)
    }
  }

  /** What is there. */
  async *list(): AsyncGenerator<StoredPayload, void, undefined> {
    for (const name of await this.#names()) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue
      const about = await readWhole(join(this.#directory, name, 'about.json'), ABOUT_BYTES_MAX)
      if (about === null) continue // Erased meanwhile.
      yield { commitment: Buffer.from(name, 'hex').toString('base64'), about: JSON.parse(about.toString()) as PayloadAbout }
    }
  }

  /**
   * Removes what a crash left of payloads that were being written or erased. Other processes may write theirs meanwhile: what has grown within
   * the last hour before `now` is left alone.
   */
  async sweep(now: Date): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.#directory, name)
      const isLeft = name.startsWith('new-')
        ? await isOlder(path, now.getTime() - UNFINISHED_MS)
        : (await readWhole(join(path, 'salt'), SALT_BYTES)) === null
      if (isLeft) await rm(path, { recursive: true, force: true })
    }
  }

  async #names(): Promise<string[]> {
    await makePrivateDirectory(this.#directory)
    return readdir(this.#directory)
  }

  /** Hexadecimal: base64 has slashes. */
  #path(commitment: string): string {
    const hash = Buffer.from(commitment, 'base64')
    if (hash.byteLength !== HASH_BYTES || hash.toString('base64') !== commitment) throw new TypeError(`"${commitment}" is no commitment`)
    return join(this.#directory, hash.toString('hex'))
  }
}

async function writeChunks(directory: string, payload: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Commitment> {
  const salt = randomBytes(SALT_BYTES)
  await createDurably(join(directory, 'salt'), salt)
  const hash = createHash('sha256').update(salt)
  let [bytes, number] = [0, 0]
  for await (const chunk of rechunk(payload)) {
    await createDurably(join(directory, chunkName(number)), chunk)
    hash.update(chunk)
    bytes += chunk.byteLength
    number += 1
  }
  return { commitment: hash.digest('base64'), bytes }
}

/** Pieces of any size as chunks of one, but for the last. */
async function* rechunk(payload: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let chunk = Buffer.alloc(CHUNK_BYTES)
  let filled = 0
  for await (const piece of payload) {
    for (let at = 0; at < piece.byteLength; ) {
      const count = Math.min(CHUNK_BYTES - filled, piece.byteLength - at)
      chunk.set(piece.subarray(at, at + count), filled)
      filled += count
      at += count
      if (filled < CHUNK_BYTES) continue
      yield chunk
      chunk = Buffer.alloc(CHUNK_BYTES)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}

async function isOlder(path: string, timeMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < timeMs
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false // It is whole now, and has its own name.
    throw error
  }
}

function chunkName(number: number): string {
  return String(number).padStart(6, '0')
}
