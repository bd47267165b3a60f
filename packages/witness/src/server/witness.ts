// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AuditLogError,
  type Cosigner,
  formatVerifierKey,
  NOTE_BYTES_MAX,
  noteVerifier,
  parseAddCheckpoint,
  parseCheckpoint,
  type VerifierKey,
} from '@sallyport/audit-log'
import { lockExclusively, makePrivateDirectory, readWhole, writeFileDurably } from '@sallyport/store'
import { WitnessError } from '../witness-error.ts'
import type { AddAnswer, Fork, RecordFiles } from './contract.ts'
import { openWitnessKey } from './witness-key.ts'
import { type Submission, WitnessedLog } from './witnessed-log.ts'

export interface WitnessOptions {
  /** Of the key and the records, and of nothing else; made where there is none. */
  readonly directory: string
  /** Part of its key: an address without a scheme, such as `witness.example.test/w1`. */
  readonly name: string
  /** Keys of the logs that it witnesses; a key's name is its log's origin. */
  readonly logs: readonly VerifierKey[]
  readonly onFork: (fork: Fork) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** In place of the directory; for tests with a failing disk. */
  readonly files?: RecordFiles
}

/** A witness before the one on the same directory has ended may take a moment to let go. */
const LOCK_WAIT_MS = 2000

/** A witness of C2SP tlog-witness, without its HTTP. Calls may overlap. */
export class Witness implements AsyncDisposable {
  readonly #lock: FileHandle
  readonly #cosigner: Cosigner
  /** By origin. */
  readonly #logs: ReadonlyMap<string, WitnessedLog>
  readonly #originOf: ReadonlyMap<string, string>

  private constructor(lock: FileHandle, cosigner: Cosigner, { logs, directory, onFork, now = Date.now, files }: WitnessOptions) {
    this.#lock = lock
    this.#cosigner = cosigner
    const origins = [...new Set(logs.map(({ name }) => name))]
    this.#originOf = new Map(origins.map((origin) => [originHash(origin), origin]))
    this.#logs = new Map(
      origins.map((origin) => {
        const verifiers = logs.filter(({ name }) => name === origin).map(noteVerifier)
        const fileName = originHash(origin)
        return [origin, new WitnessedLog({ origin, verifiers, cosigner, files: files ?? recordFiles(directory), fileName, now, onFork })]
      }),
    )
  }

  /** @throws WitnessError WITNESS_LOCKED, WITNESS_DAMAGED; StoreError for its files */
  static async open(options: WitnessOptions): Promise<Witness> {
    const { directory, name } = options
    await makePrivateDirectory(directory)
    await makePrivateDirectory(recordDirectory(directory))
    const lock = await lockExclusively(join(directory, 'lock'), LOCK_WAIT_MS)
    if (lock === null) throw new WitnessError('WITNESS_LOCKED', `Cannot witness from "${directory}": another witness does`)
    try {
      return new Witness(lock, await openWitnessKey(directory, name), options)
    } catch (error) {
      await lock.close()
      throw error
    }
  }

  /** What logs and policies have to know of it. */
  get verifierKey(): string {
    return formatVerifierKey(this.#cosigner.key)
  }

  /** `body`: untrusted, at most `ADD_CHECKPOINT_BYTES_MAX` bytes. @throws what a failing disk throws: nothing was cosigned */
  async add(body: Uint8Array): Promise<AddAnswer> {
    const submission = parseSubmission(body)
    if ('status' in submission) return submission
    const log = this.#logs.get(submission.checkpoint.origin)
    return log === undefined ? { status: 404, reason: 'this log is not known here' } : log.add(submission)
  }

  /** The latest checkpoint that was cosigned of the log whose origin has this SHA-256, in lower-case hex. */
  async latest(hash: string): Promise<Uint8Array | null> {
    const log = this.#logs.get(this.#originOf.get(hash) ?? '')
    return log === undefined ? null : log.latest()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.close()
  }
}

function parseSubmission(body: Uint8Array): Submission | (AddAnswer & { readonly status: 400 }) {
  try {
    const request = parseAddCheckpoint(body)
    return { request, checkpoint: parseCheckpoint(request.note.text) }
  } catch (error) {
    if (error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED') return { status: 400, reason: error.message }
    throw error
  }
}

function originHash(origin: string): string {
  return createHash('sha256').update(origin).digest('hex')
}

function recordDirectory(directory: string): string {
  return join(directory, 'logs')
}

function recordFiles(directory: string): RecordFiles {
  const pathOf = (name: string): string => join(recordDirectory(directory), name)
  return {
    read: (name) => readWhole(pathOf(name), NOTE_BYTES_MAX),
    write: (name, bytes) => writeFileDurably(pathOf(name), bytes),
  }
}
