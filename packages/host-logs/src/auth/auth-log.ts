// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { cleanMessage, cleanName } from '../clean-text.ts'
import type { HostCounts, HostItem, HostLog, HostRecord } from '../contract.ts'
import { Selection } from '../selection.ts'
import { parseAuthLine } from './auth-line.ts'
import { GrowingFile, inodeOf } from './growing-file.ts'
import { selectAuth } from './select-auth.ts'

/** Debian's and its kin, Red Hat's and its kin. */
const PLACES = ['/var/log/auth.log', '/var/log/secure'] as const
const BYTES_AT_A_TIME = 2 ** 20
const BYTES_AT_THE_END = 16 * 2 ** 20

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

/** The end of a file that grows, is cut, or is renamed and made anew. */
class AuthLog implements HostLog {
  readonly place: string
  readonly #selection = new Selection()
  #file: GrowingFile
  /** Whoever writes the log goes on with the file that was renamed until it is told to open the new one: so that one is read once more. */
  #renamed: GrowingFile | null = null

  constructor(place: string) {
    this.place = place
    this.#file = new GrowingFile(place, 'end')
  }

  get counts(): HostCounts {
    return this.#selection.counts
  }

  async read(isLast: boolean): Promise<readonly HostItem[]> {
    const bytesMax = isLast ? BYTES_AT_THE_END : BYTES_AT_A_TIME
    this.#readRenamed(bytesMax, isLast)
    const left = this.#readOn(bytesMax)
    if (left > 0 && this.#follow()) this.#readOn(left)
    if (isLast) {
      this.#readRenamed(bytesMax, isLast)
      if (this.#file.unread > 0) this.#selection.gap('unread', null)
    }
    return this.#selection.take()
  }

  #readOn(bytesMax: number): number {
    if (this.#file.restartIfCut()) this.#selection.gap('truncated', null)
    return this.#file.read(bytesMax, this.#addLine)
  }

  /** What came behind its end; it is closed when that was all. */
  #readRenamed(bytesMax: number, isLast: boolean): void {
    const renamed = this.#renamed
    if (renamed === null) return
    const isAll = renamed.read(bytesMax, this.#addLine) > 0
    if (!isAll && !isLast) return
    if (!isAll && renamed.unread > 0) this.#selection.gap('unread', null)
    renamed.close(this.#addLine)
    this.#renamed = null
  }

  /** Whether another file has its name by now: this one was read as far as it goes, and that one is from its beginning. */
  #follow(): boolean {
    const inode = inodeOf(this.place)
    if (inode === null || inode === this.#file.inode || this.#renamed !== null) return false
    const next = new GrowingFile(this.place, 'beginning')
    this.#renamed = this.#file
    this.#file = next
    return true
  }

  readonly #addLine = (line: string): void => {
    const record = describe(line)
    if (record === undefined) this.#selection.drop('malformed', 1)
    else this.#selection.add(record)
  }

  close(): void {
    this.#renamed?.close()
    this.#file.close()
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
