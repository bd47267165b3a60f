// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '@sallyport/core'
import { syncDirectory } from '@sallyport/store'
import type { Delivery, ExportRecord, ExportTarget } from '../contract.ts'
import { ExportError } from '../export-error.ts'
import type { LineFormat } from '../record/json-line.ts'

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
const NEWLINE = 10

/** Appends lines to a file that nobody else writes. A batch is durable before it counts, and a part of one is taken back. */
export class FileTarget implements ExportTarget, AsyncDisposable {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #format: LineFormat
  /** Null: unknown, since the last write failed. */
  #end: number | null = null

  private constructor(path: string, handle: FileHandle, format: LineFormat) {
    this.#path = path
    this.#handle = handle
    this.#format = format
  }

  /** @throws ExportError EXPORT_FAILED */
  static async open(path: string, format: LineFormat): Promise<FileTarget> {
    try {
      const handle = await open(path, FLAGS, 0o600)
      try {
        if (!(await handle.stat()).isFile()) throw new Error('it is not a regular file')
        // Also where it was there: a file without a durable name would take with it what counts as delivered
        await syncDirectory(dirname(path))
        return new FileTarget(path, handle, format)
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      throw failed(path, messageOf(error), error)
    }
  }

  async deliver(records: readonly ExportRecord[]): Promise<Delivery> {
    const bytes = Buffer.from(records.map((record) => `${this.#format(record)}\n`).join(''))
    try {
      const end = this.#end ?? (await this.#cutTornLine())
      this.#end = null
      for (let done = 0; done < bytes.length; )
        done += (await this.#handle.write(bytes, done, bytes.length - done, end + done)).bytesWritten
      await this.#handle.datasync()
      this.#end = end + bytes.length
    } catch (error) {
      throw failed(this.#path, messageOf(error), error)
    }
    return { refused: [], shortened: 0 }
  }

  /** What a crash, or a full disk, left of a last line. */
  async #cutTornLine(): Promise<number> {
    const { size } = await this.#handle.stat()
    const block = Buffer.alloc(64 * 1024)
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - block.length)
      const { bytesRead } = await this.#handle.read(block, 0, end - start, start)
      const newline = block.subarray(0, bytesRead).lastIndexOf(NEWLINE)
      if (newline !== -1) return this.#cutAt(start + newline + 1, size)
      end = start
    }
    return this.#cutAt(0, size)
  }

  async #cutAt(end: number, size: number): Promise<number> {
    if (end < size) await this.#handle.truncate(end)
    return end
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

function failed(path: string, problem: string, cause: unknown): ExportError {
  return new ExportError('EXPORT_FAILED', `Cannot write to "${path}": ${problem}`, { cause })
}
