// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import type { LogWriter } from './contract.ts'
import { createFile, type DurableFile, openFile } from './durable-file.ts'
import { StoreError } from './store-error.ts'

/** Names come back to us from the journal: only a name that we gave is followed. */
const LOG_NAME = /^log\/[1-9][0-9]{0,8}\.log$/

const READ_BYTES = 64 * 1024

export async function createLog(directory: string, number: number): Promise<LogWriter> {
  const file = `log/${number}.log`
  try {
    return new LogFile(file, await createFile(join(directory, file)))
  } catch (error) {
    throw StoreError.from(`Cannot create "${file}"`, error)
  }
}

class LogFile implements LogWriter {
  readonly file: string
  readonly #out: DurableFile
  /** Writes queue up behind each other, so that two callers cannot interleave. */
  #tail: Promise<void> = Promise.resolve()
  #offset = 0
  #isClosed = false

  constructor(file: string, out: DurableFile) {
    this.file = file
    this.#out = out
  }

  get offset(): number {
    return this.#offset
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#queue(async () => {
      await this.#out.write(bytes, this.#offset)
      this.#offset += bytes.byteLength
    })
  }

  sync(): Promise<void> {
    return this.#queue(() => this.#out.datasync())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#tail.catch(() => undefined) // Whoever wrote was told.
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
