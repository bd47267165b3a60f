// SPDX-License-Identifier: Apache-2.0
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createFile, type DurableFile, syncDirectory } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import type { Entries } from './frame.ts'
import { readFrames } from './frame-file.ts'

interface Segment {
  readonly path: string
  /** Null for one that an earlier process wrote. */
  readonly file: DurableFile | null
  bytes: number
  /** Size of the log after the last entry in it. */
  end: number
}

/**
 * Entries that are durable and not in the tree yet, in files of frames, `000000000001` and on. Calls of `append` must not
 * overlap; after one failed, the object is of no use, unless `undo` resolves.
 */
export class PendingEntries {
  readonly #directory: string
  #number: number
  #current: (Segment & { readonly file: DurableFile }) | null = null
  #full: Segment[]
  #isAppending = false
  #isRotationDue = false

  /** `number`: of the last file that was there before; `full`: those of them that stay. */
  constructor(directory: string, number: number, full: readonly Omit<Segment, 'file'>[] = []) {
    this.#directory = directory
    this.#number = number
    this.#full = full.map((segment) => ({ ...segment, file: null }))
  }

  /** Bytes in the file that grows. */
  get bytes(): number {
    return this.#current?.bytes ?? 0
  }

  /** All files, the oldest first. */
  get segments(): readonly { readonly path: string; readonly bytes: number; readonly end: number }[] {
    return this.#current === null ? this.#full : [...this.#full, this.#current]
  }

  /** Resolves when the frame is durable. `end`: size of the log with it. */
  async append(frame: Buffer, end: number): Promise<void> {
    this.#isAppending = true
    this.#current ??= await this.#create()
    await this.#current.file.write(frame, this.#current.bytes)
    await this.#current.file.datasync()
    this.#current.bytes += frame.byteLength
    this.#current.end = end
    this.#isAppending = false
    if (this.#isRotationDue) this.rotate()
  }

  /** After a frame that found no room: what there is of it goes, and others can follow. Rejects when that is not certain. */
  async undo(): Promise<void> {
    await this.#current?.file.truncate(this.#current.bytes)
    await this.#current?.file.datasync()
    this.#isAppending = false
  }

  async #create(): Promise<Segment & { readonly file: DurableFile }> {
    this.#number += 1
    const path = join(this.#directory, segmentName(this.#number))
    const file = await createFile(path)
    try {
      await syncDirectory(this.#directory)
    } catch (error) {
      await file.close()
      throw error
    }
    return { path, file, bytes: 0, end: 0 }
  }

  /** Later frames go into a new file. */
  rotate(): void {
    this.#isRotationDue = this.#isAppending
    if (this.#isAppending || this.#current === null) return
    this.#full.push(this.#current)
    this.#current = null
  }

  /** Removes the files, but the one that grows, of which all entries are in the durable tree of `size`. */
  async drop(size: number): Promise<void> {
    const [kept, dropped] = [this.#full.filter(({ end }) => end > size), this.#full.filter(({ end }) => end <= size)]
    this.#full = kept
    for (const { path, file } of dropped) {
      await file?.close()
      await rm(path)
    }
  }

  async close(): Promise<void> {
    const open = [...this.#full, ...(this.#current === null ? [] : [this.#current])]
    this.#full = []
    this.#current = null
    for (const { file } of open) await file?.close()
  }
}

function segmentName(number: number): string {
  return String(number).padStart(12, '0')
}

export interface LeftPending {
  /** Of the last file; 0 where there is none. */
  readonly number: number
  readonly paths: readonly string[]
}

/** The files that an earlier process left, the oldest first. */
export async function findPending(directory: string): Promise<LeftPending> {
  const names = (await readdir(directory)).toSorted()
  const wrong = names.find((name) => !/^[0-9]{12}$/.test(name))
  if (wrong !== undefined) throw new StoreError('STORE_CORRUPT', `Cannot read "${join(directory, wrong)}": no file of ours has this name`)
  return { number: Number(names.at(-1) ?? 0), paths: names.map((name) => join(directory, name)) }
}

/** All frames in the files. Only what was written last can be torn. */
export async function* readPending({ paths }: LeftPending, onTorn: (bytes: number) => void): AsyncGenerator<Entries, void, undefined> {
  for (const path of paths) yield* readFrames(path, onTorn)
}
