// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { messageOf } from '@sallyport/core'
import { cleanMessage, cleanName } from '../clean-text.ts'
import type { HostCounts, HostItem, HostLog, HostRecord } from '../contract.ts'
import { Selection } from '../selection.ts'
import { parseAuthLine } from './auth-line.ts'
import { selectAuth } from './select-auth.ts'

/** Debian's and its kin, Red Hat's and its kin. */
const PLACES = ['/var/log/auth.log', '/var/log/secure'] as const
const CHUNK_BYTES = 65_536
const LINE_BYTES_MAX = 8192
const BYTES_AT_A_TIME = 2 ** 20
const BYTES_AT_THE_END = 16 * 2 ** 20
const NEWLINE = 10

/** @throws Error in one clause when none can be read. */
export function openAuthLog(places: readonly string[] = PLACES): HostLog {
  const failures: string[] = []
  for (const place of places) {
    try {
      return new AuthLog(place)
    } catch (error) {
      failures.push(messageOf(error))
    }
  }
  throw new Error(failures.join('; '))
}

interface OpenFile {
  readonly fd: number
  readonly inode: number
  /** Of what was read. */
  position: number
}

/** The end of a file that grows, is cut, or is renamed and made anew. */
class AuthLog implements HostLog {
  readonly place: string
  readonly #selection = new Selection()
  readonly #buffer = Buffer.alloc(CHUNK_BYTES)
  #file: OpenFile
  /** The beginning of a line whose end is not there yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** The rest of a line that is longer than any is skipped. */
  #isTooLong = false

  constructor(place: string) {
    this.place = place
    const { fd, stats } = openFile(place)
    this.#file = { fd, inode: stats.ino, position: stats.size }
  }

  get counts(): HostCounts {
    return this.#selection.counts
  }

  async read(isLast: boolean): Promise<readonly HostItem[]> {
    const bytesMax = isLast ? BYTES_AT_THE_END : BYTES_AT_A_TIME
    const left = this.#readOn(bytesMax)
    if (left > 0 && this.#follow()) this.#readOn(left)
    if (isLast && fstatSync(this.#file.fd).size > this.#file.position) this.#selection.gap('unread', null)
    return this.#selection.take()
  }

  /** To the end of the file, at most `bytesMax`; how many of those are left. */
  #readOn(bytesMax: number): number {
    const { fd } = this.#file
    if (fstatSync(fd).size < this.#file.position) this.#restart()
    for (let left = bytesMax; left > 0; ) {
      const got = readSync(fd, this.#buffer, 0, Math.min(CHUNK_BYTES, left), this.#file.position)
      if (got === 0) return left
      this.#file.position += got
      left -= got
      this.#addLines(this.#buffer.subarray(0, got))
    }
    return 0
  }

  /** It was cut, and what was in it before we came to it is gone. */
  #restart(): void {
    this.#selection.gap('truncated', null)
    this.#file.position = 0
    this.#rest = Buffer.alloc(0)
    this.#isTooLong = false
  }

  /** Whether another file has its name by now: the old one was read to its end, and this one is from its beginning. */
  #follow(): boolean {
    const inode = inodeOf(this.place)
    if (inode === null || inode === this.#file.inode) return false
    const { fd, stats } = openFile(this.place)
    closeSync(this.#file.fd)
    this.#file = { fd, inode: stats.ino, position: 0 }
    return true
  }

  #addLines(chunk: Buffer): void {
    let at = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      this.#addLine(Buffer.concat([this.#rest, chunk.subarray(at, end)]))
      this.#rest = Buffer.alloc(0)
      at = end + 1
    }
    if (this.#isTooLong) return
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(at)])
    if (this.#rest.length <= LINE_BYTES_MAX) return
    this.#rest = this.#rest.subarray(0, LINE_BYTES_MAX)
    this.#isTooLong = true
  }

  #addLine(bytes: Buffer): void {
    this.#isTooLong = false
    const line = bytes.toString('utf8', 0, LINE_BYTES_MAX)
    if (line === '') return
    const record = describe(line)
    if (record === undefined) this.#selection.drop('malformed', 1)
    else this.#selection.add(record)
  }

  close(): void {
    closeSync(this.#file.fd)
  }
}

/** Null: it matters to no job. Undefined: it is no such line. */
function describe(line: string): HostRecord | null | undefined {
  const parsed = parseAuthLine(line, new Date())
  if (parsed === null) return undefined
  const { at, program, pid, message } = parsed
  const recordClass = selectAuth(program, message)
  if (recordClass === null) return null
  return {
    kind: 'record',
    at: at.toISOString(),
    class: recordClass,
    message: cleanMessage(message),
    by: cleanName(program),
    number: null,
    severity: null,
    pid,
    uid: null,
    cgroup: null,
  }
}

/** Nobody is waited for: a FIFO is no log. */
function openFile(place: string): { readonly fd: number; readonly stats: Stats } {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK)
  const stats = fstatSync(fd)
  if (stats.isFile()) return { fd, stats }
  closeSync(fd)
  throw new Error(`"${place}" is no regular file`)
}

/** Null: nothing has its name at the moment. */
function inodeOf(place: string): number | null {
  return statSync(place, { throwIfNoEntry: false })?.ino ?? null
}
