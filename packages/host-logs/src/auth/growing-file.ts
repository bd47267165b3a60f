// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'

const CHUNK_BYTES = 65_536
const LINE_BYTES_MAX = 8192
const NEWLINE = 10

/** Lines that others append to a file, read as they come. Of a line that is longer than 8 KiB, the beginning. */
export class GrowingFile {
  readonly inode: number
  readonly #fd: number
  readonly #buffer = Buffer.alloc(CHUNK_BYTES)
  /** Of what was read. */
  #position: number
  /** The beginning of a line whose end is not there yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** The rest of a line that is longer than any is skipped. */
  #isTooLong = false

  /** Nobody is waited for: a FIFO is no log. @throws Error when there is no file, or what is there is none. */
  constructor(path: string, from: 'end' | 'beginning') {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(this.#fd)
    if (!stats.isFile()) {
      closeSync(this.#fd)
      throw new Error(`"${path}" is no regular file`)
    }
    this.inode = stats.ino
    this.#position = from === 'end' ? stats.size : 0
  }

  /** Bytes that were not read yet. */
  get unread(): number {
    return Math.max(0, fstatSync(this.#fd).size - this.#position)
  }

  /** Whether it was cut before where we are: what was in it before we came to it is gone, and it is read from its beginning. */
  restartIfCut(): boolean {
    if (fstatSync(this.#fd).size >= this.#position) return false
    this.#position = 0
    this.#rest = Buffer.alloc(0)
    this.#isTooLong = false
    return true
  }

  /** To the end of the file, at most `bytesMax`; how many of those are left. */
  read(bytesMax: number, onLine: (line: string) => void): number {
    for (let left = bytesMax; left > 0; ) {
      const got = readSync(this.#fd, this.#buffer, 0, Math.min(CHUNK_BYTES, left), this.#position)
      if (got === 0) return left
      this.#position += got
      left -= got
      this.#addLines(this.#buffer.subarray(0, got), onLine)
    }
    return 0
  }

  /** What has no end of line will have none, and is a line. */
  close(onLine: ((line: string) => void) | null = null): void {
    closeSync(this.#fd)
    if (onLine !== null && this.#rest.length > 0) this.#addLine(this.#rest, onLine)
    this.#rest = Buffer.alloc(0)
  }

  #addLines(chunk: Buffer, onLine: (line: string) => void): void {
    let at = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      this.#addLine(Buffer.concat([this.#rest, chunk.subarray(at, end)]), onLine)
      this.#rest = Buffer.alloc(0)
      at = end + 1
    }
    if (this.#isTooLong) return
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(at)])
    if (this.#rest.length <= LINE_BYTES_MAX) return
    this.#rest = this.#rest.subarray(0, LINE_BYTES_MAX)
    this.#isTooLong = true
  }

  #addLine(bytes: Buffer, onLine: (line: string) => void): void {
    this.#isTooLong = false
    if (bytes.length > 0) onLine(bytes.toString('utf8', 0, LINE_BYTES_MAX))
  }
}

/** Null: nothing has its name at the moment. */
export function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null
}
