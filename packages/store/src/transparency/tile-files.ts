// SPDX-License-Identifier: Apache-2.0
import { mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createDurably, syncDirectory } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'

/** Node has four threads for files; one stays free for the entries that somebody waits for. */
const WRITERS = 3

/** A caller that goes on while more wait would fill the memory. */
const WAITING_MAX = 64

/** A level has a directory for 1,000 tiles. */
const KNOWN_MAX = 1000

interface Waiting {
  readonly path: string
  readonly content: readonly Uint8Array[]
  readonly done: () => void
}

/**
 * Writes files of the tree. Each is made elsewhere and gets its name when its content is durable, so that nobody ever reads a
 * part of one; the names are durable after `flush`. The first failure is final.
 */
export class TileFiles {
  readonly #root: string
  readonly #scratch: string
  readonly #waiting: Waiting[] = []
  /** One promise for each file that is not written yet. */
  readonly #outstanding = new Set<Promise<void>>()
  /** Directories with names that are not durable yet. */
  readonly #unsynced = new Set<string>()
  /** Some of the directories that are there. */
  readonly #known = new Set<string>()
  #writers = 0
  #number = 0
  #failure: Error | null = null

  /** `scratch`: an empty directory in the same file system. */
  constructor(root: string, scratch: string) {
    this.#root = root
    this.#scratch = scratch
  }

  /** Starts to write. `content` must not change any more. */
  write(path: string, content: readonly Uint8Array[]): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#outstanding.add(promise)
    const done = (): void => {
      this.#outstanding.delete(promise)
      resolve()
    }
    this.#waiting.push({ path, content, done })
    if (this.#writers < WRITERS) void this.#work()
  }

  /** Resolves when there is room for more. @throws what the first failure threw. */
  async room(): Promise<void> {
    while (this.#waiting.length > WAITING_MAX) await Promise.race(this.#outstanding)
    if (this.#failure !== null) throw this.#failure
  }

  /** Resolves when everything that was written before the call is durable. @throws what the first failure threw. */
  async flush(): Promise<void> {
    await Promise.all(this.#outstanding)
    if (this.#failure !== null) throw this.#failure
    const directories = [...this.#unsynced]
    this.#unsynced.clear()
    try {
      await Promise.all(directories.map(syncDirectory))
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** Resolves when nothing is under way, also after a failure. */
  async settled(): Promise<void> {
    await Promise.all(this.#outstanding)
  }

  async #work(): Promise<void> {
    this.#writers += 1
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        if (this.#failure === null) await this.#writeOne(next)
      } catch (error) {
        this.#fail(error)
      }
      next.done()
    }
    this.#writers -= 1
  }

  #fail(error: unknown): Error {
    this.#failure ??= StoreError.from('Cannot write the log', error)
    return this.#failure
  }

  async #writeOne({ path, content }: Pick<Waiting, 'path' | 'content'>): Promise<void> {
    const target = join(this.#root, path)
    const temporary = join(this.#scratch, String(++this.#number))
    await createDurably(temporary, content.length === 1 && content[0] !== undefined ? content[0] : Buffer.concat(content))
    await this.#makeDirectory(dirname(target))
    await rename(temporary, target)
    this.#unsynced.add(dirname(target))
  }

  /** The names above it are synced even where they were there: perhaps a process made them that did not come to it. */
  async #makeDirectory(path: string): Promise<void> {
    if (this.#known.has(path)) return
    await mkdir(path, { recursive: true, mode: 0o700 })
    for (let made = path; made !== this.#root; made = dirname(made)) this.#unsynced.add(dirname(made))
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.add(path)
  }
}
