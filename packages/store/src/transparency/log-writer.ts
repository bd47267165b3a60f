// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ENTRY_BYTES_MAX,
  equalHashes,
  parseCheckpoint,
  parseNote,
  proveConsistency,
  TileHashes,
  type TileSource,
  type TreeHead,
} from '@sallyport/audit-log'
import { createFile } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import { AppendQueue, type Batch } from './append-queue.ts'
import type { Appended, SignedCheckpoint, TransparencyLog, TransparencyLogOptions } from './contract.ts'
import { encodeFrame } from './frame.ts'
import type { LogPaths } from './log-paths.ts'
import { collectPartials } from './partial-tiles.ts'
import type { PendingEntries } from './pending-entries.ts'
import { writeCheckpoint } from './published-checkpoint.ts'
import type { TileFiles } from './tile-files.ts'
import type { TreeEdge } from './tree-edge.ts'
import { writeTreeState } from './tree-state.ts'

/** Then the entries go into the tree without anybody asking, so that opening the log after a crash takes a second at most. */
const PENDING_BYTES_MAX = 64 * 2 ** 20

/** What opening the log has found and repaired. */
export interface LogParts {
  readonly paths: LogPaths
  readonly lock: FileHandle
  readonly pending: PendingEntries
  readonly files: TileFiles
  readonly edge: TreeEdge
  readonly source: TileSource
  /** The tree that the state says is durable. */
  readonly durable: TreeHead
  readonly published: TreeHead | null
  readonly recovered: TransparencyLog['recovered']
}

export class LogWriter implements TransparencyLog {
  readonly source: TileSource
  readonly recovered: TransparencyLog['recovered']
  readonly #parts: LogParts
  readonly #options: TransparencyLogOptions
  readonly #queue: AppendQueue
  #committed: number
  #durable: TreeHead
  #published: TreeHead | null
  /** Why nothing can be written any more. */
  #failure: StoreError | null = null
  #isClosing = false
  #committing: Promise<void> | null = null
  /** The last change of the tree's files, which never overlap. Never rejects. */
  #integrating: Promise<unknown> = Promise.resolve()
  /** The last publication; no two overlap, and entries go on while one waits for its witnesses. Never rejects. */
  #publishing: Promise<unknown> = Promise.resolve()
  #nextPublication: Promise<TreeHead> | null = null

  constructor(parts: LogParts, options: TransparencyLogOptions) {
    this.#parts = parts
    this.#options = options
    this.source = parts.source
    this.recovered = parts.recovered
    this.#durable = parts.durable
    this.#published = parts.published
    this.#committed = parts.edge.size
    this.#queue = new AppendQueue(parts.edge.size)
  }

  get size(): number {
    return this.#committed
  }

  get published(): TreeHead | null {
    return this.#published
  }

  async append(entries: readonly Uint8Array[]): Promise<Appended> {
    this.#assertOpen()
    if (entries.length === 0) throw new TypeError('There is nothing to append')
    const longest = entries.reduce((most, { byteLength }) => Math.max(most, byteLength), 0)
    if (longest > ENTRY_BYTES_MAX)
      throw new StoreError(
        'EVENT_TOO_LARGE',
        `Cannot append an entry of ${longest} bytes to the log: ${ENTRY_BYTES_MAX} is the most that one has`,
      )
    const appended = this.#queue.add(entries)
    this.#committing ??= this.#commitAll()
    return appended
  }

  async integrate(): Promise<TreeHead> {
    this.#assertOpen()
    return this.#integrate()
  }

  async publish(): Promise<TreeHead> {
    this.#assertOpen()
    this.#nextPublication ??= this.#publishNext()
    return this.#nextPublication
  }

  async sign(): Promise<SignedCheckpoint> {
    this.#assertOpen()
    return this.#afterPublishing(() => this.#signNow())
  }

  leave(): Promise<void> {
    return this.#close({ integrates: false })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close({ integrates: true })
  }

  async #close({ integrates }: { readonly integrates: boolean }): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await Promise.all([this.#committing, this.#publishing])
    // Of nobody who waits, too: once the lock is free, its state would replace that of the next writer, whose pending entries are gone then
    await this.#integrating
    try {
      // A failure was told to whoever appended or published; what is durable stays so.
      if (integrates && this.#failure === null) await this.#integrate()
      if (!integrates && this.#failure === null) await (await createFile(this.#parts.paths.left)).close()
    } finally {
      await this.#parts.files.settled()
      await this.#parts.pending.close()
      await this.#parts.lock.close()
    }
  }

  #assertOpen(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#isClosing) throw new StoreError('STORE_CLOSED', 'Cannot write to the log: it is closed')
  }

  async #commitAll(): Promise<void> {
    await Promise.resolve() // A synchronous burst of appends is one commit.
    for (let batch = this.#queue.take(); batch !== null; batch = this.#queue.take()) {
      try {
        await this.#commit(batch)
      } catch (error) {
        batch.reject(this.#fail(error))
      }
    }
    this.#committing = null
  }

  /** All that waited while the last commit was on its way to the disk is one write and one fdatasync. */
  async #commit(batch: Batch): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const { pending, edge, files } = this.#parts
    const { frame, entries } = encodeFrame(batch.first, batch.entries)
    const written = pending.append(frame, batch.first + batch.entries.length)
    const hashes = edge.hash(entries) // While the disk writes.
    await written
    // Only now: a tile never holds an entry that is not durable.
    for (const { path, content } of edge.append(entries, hashes)) files.write(path, content)
    this.#committed = edge.size
    batch.resolve()
    await files.room()
    if (pending.bytes >= PENDING_BYTES_MAX) await this.#integrate()
  }

  #integrate(): Promise<TreeHead> {
    const result = this.#integrating.then(() => this.#integrateNow())
    this.#integrating = result.catch(() => undefined) // Whoever called is told.
    return result
  }

  /** Makes the tree of all that is committed durable, and then its state. */
  async #integrateNow(): Promise<TreeHead> {
    if (this.#failure !== null) throw this.#failure
    const { edge, pending } = this.#parts
    const snapshot = edge.snapshot()
    if (snapshot.size === this.#durable.size) return this.#durable
    pending.rotate()
    try {
      return await this.#makeDurable(snapshot)
    } catch (error) {
      throw this.#fail(error)
    }
  }

  async #makeDurable(snapshot: ReturnType<TreeEdge['snapshot']>): Promise<TreeHead> {
    const { paths, files, pending } = this.#parts
    for (const { path, content } of snapshot.files) files.write(path, content)
    const head = await snapshot.head()
    await files.flush()
    await writeTreeState(paths.state, head, join(paths.scratch, 'state'))
    await collectPartials(paths.tree, this.#durable.size, head.size)
    await pending.drop(head.size)
    this.#durable = head
    return head
  }

  #publishNext(): Promise<TreeHead> {
    return this.#afterPublishing(() => {
      this.#nextPublication = null
      return this.#publishNow()
    })
  }

  #afterPublishing<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#publishing.then(work)
    this.#publishing = result.catch(() => undefined) // Whoever called is told.
    return result
  }

  async #publishNow(): Promise<TreeHead> {
    const { size, root, ...signed } = await this.#signNow()
    const head = { size, root }
    const { cosigner, signer } = this.#options
    const note = cosigner === null ? signed.note : await cosigner.cosign(signed.note, signed.prove)
    assertOf(note, head, signer.origin)
    try {
      await writeCheckpoint(this.#parts.paths, note)
    } catch (error) {
      throw this.#fail(error)
    }
    this.#published = head
    return head
  }

  async #signNow(): Promise<SignedCheckpoint> {
    const head = await this.#integrate()
    const { signer } = this.#options
    const hashes = new TileHashes(this.source, head.size)
    const prove = (oldSize: number) => proveConsistency(hashes, oldSize, head.size)
    const oldSize = (await signer.latest())?.size ?? 0
    if (oldSize > head.size)
      throw new StoreError('LOG_ROLLED_BACK', `Cannot publish the log of ${head.size} entries: its key has signed ${oldSize} already`, {
        hint: 'Somebody has put back an older copy of the log, or removed entries: sallyport audit verify says what is wrong',
      })
    const note = await signer.sign({ oldSize, proof: await prove(oldSize), head })
    assertOf(note, head, signer.origin)
    return { ...head, note, prove }
  }

  #fail(error: unknown): StoreError {
    this.#failure ??= StoreError.from('Cannot write the log', error)
    this.#queue.rejectAll(this.#failure)
    return this.#failure
  }
}

function assertOf(note: Uint8Array, head: TreeHead, expected: string): void {
  const { size, root, origin } = parseCheckpoint(parseNote(note).text)
  if (size !== head.size || !equalHashes(root, head.root) || origin !== expected)
    throw new TypeError('The checkpoint that was signed is of another tree')
}
