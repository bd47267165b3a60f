// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac, type Hash, randomBytes } from 'node:crypto'
import { lstat, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Commitment } from '@sallyport/audit-log'
import type { CommittedOutput, LogWriter, OutputPiece, OutputRange } from './contract.ts'
import { createDurably, createFile, openFile, type PiecewiseFile, readWhole, syncDirectory } from './durable-file.ts'
import { errnoOf, StoreError } from './store-error.ts'

/** Names come back to us from the journal: only a name that we gave is followed. */
const LOG_NAME = /^log\/[1-9][0-9]{0,8}\.log$/

const READ_BYTES = 64 * 1024
const KEY_BYTES = 32

export async function createLog(directory: string, number: number): Promise<LogWriter> {
  const file = `log/${number}.log`
  try {
    return new LogFile(directory, file, await createFile(join(directory, file)))
  } catch (error) {
    throw StoreError.from(`Cannot create "${file}"`, error)
  }
}

/** Whoever is shown the salt of one piece learns nothing about the others. */
function saltOf(key: Uint8Array, piece: number): Buffer {
  return createHmac('sha256', key).update(`sallyport/output/${piece}`).digest()
}

function keyPath(directory: string, file: string): string {
  return join(directory, file.replace(/log$/, 'key'))
}

/** Writes that become one: a system call, and the way to another thread and back, for each write of a pipe's size takes longer than all else. */
interface Batch {
  readonly pieces: Uint8Array[]
  readonly written: Promise<void>
}

class LogFile implements LogWriter {
  readonly file: string
  readonly #directory: string
  readonly #out: PiecewiseFile
  /** Writes queue up behind each other, so that two callers cannot interleave. */
  #tail: Promise<void> = Promise.resolve()
  /** Whose turn has not come yet. */
  #batch: Batch | null = null
  #offset = 0
  #isClosed = false
  readonly #key = randomBytes(KEY_BYTES)
  /** The key is durable; null while nothing was printed that it would be needed for. */
  #keyed: Promise<void> | null = null
  #pieces = 0
  /** Of the piece that is being written. */
  #hash: Hash | null = null

  constructor(directory: string, file: string, out: PiecewiseFile) {
    this.#directory = directory
    this.file = file
    this.#out = out
  }

  get offset(): number {
    return this.#offset
  }

  write(bytes: Uint8Array): Promise<void> {
    const batch = this.#batch ?? this.#beginBatch()
    batch.pieces.push(bytes)
    return batch.written
  }

  /** Takes its place in the queue now, and what is written until its turn comes. */
  #beginBatch(): Batch {
    const pieces: Uint8Array[] = []
    const written = this.#queue(() => {
      this.#endBatch(batch)
      return this.#writePieces(pieces)
    })
    const batch: Batch = { pieces, written }
    this.#batch = batch
    // After a failure no turn comes, and the next write is to begin another that is told so, too.
    written.catch(() => this.#endBatch(batch))
    return batch
  }

  #endBatch(batch: Batch): void {
    if (this.#batch === batch) this.#batch = null
  }

  async #writePieces(pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (this.#hash !== null && bytes > 0) this.#keyed ??= this.#writeKey()
    for (const piece of pieces) this.#hash?.update(piece)
    await this.#out.writePieces(pieces, this.#offset)
    this.#offset += bytes
  }

  beginPiece(): OutputPiece {
    this.#pieces += 1
    const [piece, from] = [this.#pieces, this.#offset]
    const hash = createHash('sha256').update(saltOf(this.#key, piece))
    this.#hash = hash
    return { end: () => this.#endPiece({ file: this.file, piece, from }, hash) }
  }

  async #endPiece(piece: Omit<CommittedOutput, 'to' | 'commitment'>, hash: Hash): Promise<CommittedOutput> {
    let to = piece.from
    // What is written from now on is of no batch that belongs to the piece.
    this.#batch = null
    await this.#queue(async () => {
      to = this.#offset
      if (this.#hash === hash) this.#hash = null
      if (to > piece.from) await Promise.all([this.#out.datasync(), this.#keyed])
    })
    return { ...piece, to, commitment: to > piece.from ? hash.digest('base64') : null }
  }

  /** Beside the output: whoever prints does not wait for it, the end of the piece does. */
  #writeKey(): Promise<void> {
    const path = keyPath(this.#directory, this.file)
    const keyed = createDurably(path, this.#key).then(() => syncDirectory(dirname(path)))
    keyed.catch(() => undefined) // Told to whoever ends a piece.
    return keyed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#tail.catch(() => undefined) // Whoever wrote was told.
    await this.#keyed?.catch(() => undefined)
    await this.#out.close()
  }

  /** A failure stays: what follows a hole in the log would stand at the wrong place. */
  #queue(action: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return Promise.reject(new StoreError('STORE_CLOSED', `Cannot write to "${this.file}": it is closed`))
    this.#tail = this.#tail.then(action).catch((error: unknown) => {
      throw StoreError.from(`Cannot write to "${this.file}"`, error)
    })
    return this.#tail
  }
}

/** Bytes `from` to `to` of a log, or to its end when it is shorter. */
export async function* readLog(directory: string, file: string, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (!LOG_NAME.test(file)) throw new StoreError('STORE_CORRUPT', `Cannot read the log "${file}": no log has this name`)
  const handle = await openFile(join(directory, file)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw new StoreError('PAYLOAD_ERASED', `Cannot read "${file}": this output is not kept any more`)
    throw StoreError.from(`Cannot read "${file}"`, error)
  })
  try {
    let position = Math.max(0, from)
    while (position < to) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, to - position))
      const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

export async function checkOutput(
  directory: string,
  { file, from, to, piece }: OutputRange & { readonly piece: number },
  { commitment, bytes }: Commitment,
): Promise<'kept' | 'different' | 'gone'> {
  try {
    if (!LOG_NAME.test(file) || to - from !== bytes) return 'different'
    const key = await readWhole(keyPath(directory, file), KEY_BYTES)
    if (key === null) return 'gone'
    const hash = createHash('sha256').update(saltOf(key, piece))
    for await (const chunk of readLog(directory, file, from, to)) hash.update(chunk)
    return hash.digest('base64') === commitment ? 'kept' : 'different'
  } catch (error) {
    if (error instanceof StoreError && error.code === 'PAYLOAD_ERASED') return 'gone'
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return 'different'
    throw error
  }
}

/** Of all logs of a run. */
export async function outputBytes(directory: string): Promise<number> {
  let bytes = 0
  try {
    for (const name of await readdir(join(directory, 'log')))
      if (LOG_NAME.test(`log/${name}`)) bytes += (await lstat(join(directory, 'log', name))).size
    return bytes
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return bytes // Gone meanwhile, or never there.
    throw StoreError.from(`Cannot look into "${directory}"`, error)
  }
}
