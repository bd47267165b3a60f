// SPDX-License-Identifier: Apache-2.0
import {
  type AddCheckpoint,
  AuditLogError,
  type Checkpoint,
  type Cosigner,
  cosignatureVerifier,
  equalHashes,
  formatNote,
  formatSignatureLines,
  type Note,
  type NoteSignature,
  type NoteVerifier,
  openNote,
  parseCheckpoint,
  parseNote,
} from '@sallyport/audit-log'
import { WitnessError } from '../witness-error.ts'
import type { AddAnswer, Fork, RecordFiles } from './contract.ts'
import { judgeGrowth } from './judge-growth.ts'

/** A request whose checkpoint is one of this log. */
export interface Submission {
  readonly request: AddCheckpoint & { readonly note: Note }
  readonly checkpoint: Checkpoint
}

export interface WitnessedLogOptions {
  readonly origin: string
  readonly verifiers: readonly NoteVerifier[]
  readonly cosigner: Cosigner
  readonly files: RecordFiles
  /** Of its record. */
  readonly fileName: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onFork: (fork: Fork) => void
}

/** The latest checkpoint that was cosigned. */
interface CosignedCheckpoint {
  readonly checkpoint: Checkpoint
  /** With the log's signatures that were verified, and ours. */
  readonly bytes: Uint8Array
}

/**
 * What the witness knows of one log.
 *
 * Requests are taken one after the other: old size, proof and record are one step, or a slower request would roll back what a faster
 * one was answered. Nothing is answered before it is durable.
 */
export class WitnessedLog {
  readonly #options: WitnessedLogOptions
  /** Undefined: nobody knows what stands on the disk, since a write failed, or a process before this one may have crashed in it. */
  #latest: CosignedCheckpoint | null | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: WitnessedLogOptions) {
    this.#options = options
  }

  /** @throws StoreError, WitnessError WITNESS_DAMAGED: nothing was cosigned */
  async add(submission: Submission): Promise<AddAnswer> {
    const signatures = this.#trusted(submission.request.note)
    if (typeof signatures === 'string') return { status: 403, reason: signatures }
    return this.#inTurn(() => this.#addInTurn(submission, signatures))
  }

  /** The latest checkpoint that was cosigned, as a signed note. */
  async latest(): Promise<Uint8Array | null> {
    return (await this.#inTurn(() => this.#durable()))?.bytes ?? null
  }

  /** The signatures by keys that are trusted for this log, one for each; or why there are none. */
  #trusted(note: Note): readonly NoteSignature[] | string {
    try {
      const verified = openNote(note, this.#options.verifiers)
      return verified.flatMap(({ key }) => note.signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId) ?? [])
    } catch (error) {
      if (error instanceof AuditLogError && error.code === 'AUDIT_LOG_UNSIGNED') return error.message
      throw error
    }
  }

  async #addInTurn({ request, checkpoint }: Submission, signatures: readonly NoteSignature[]): Promise<AddAnswer> {
    const latest = await this.#durable()
    this.#reportFork(request, checkpoint, latest)
    const refusal = judgeGrowth(request, checkpoint, latest?.checkpoint ?? null)
    if (refusal !== null) return refusal
    const { cosigner, now } = this.#options
    const cosignature = cosigner.cosign(request.note.text, Math.floor(now() / 1000))
    const bytes = formatNote({ text: request.note.text, signatures: [...signatures, cosignature] })
    await this.#write({ checkpoint, bytes })
    return { status: 200, cosignatures: formatSignatureLines([cosignature]) }
  }

  #reportFork({ checkpoint: bytes }: AddCheckpoint, { origin, size, root }: Checkpoint, latest: CosignedCheckpoint | null): void {
    if (latest === null || latest.checkpoint.size !== size || equalHashes(latest.checkpoint.root, root)) return
    this.#options.onFork({ origin, cosigned: latest.checkpoint, checkpoint: bytes })
  }

  async #durable(): Promise<CosignedCheckpoint | null> {
    if (this.#latest !== undefined) return this.#latest
    const bytes = await this.#options.files.read(this.#options.fileName)
    // Written again, since it may have been seen and not be durable
    if (bytes === null) this.#latest = null
    else await this.#write(this.#parse(bytes))
    return this.#latest ?? null
  }

  #parse(bytes: Uint8Array): CosignedCheckpoint {
    const { origin, cosigner } = this.#options
    try {
      const note = parseNote(bytes)
      openNote(note, [cosignatureVerifier(cosigner.key)])
      const checkpoint = parseCheckpoint(note.text)
      if (checkpoint.origin === origin) return { checkpoint, bytes }
    } catch (error) {
      if (!(error instanceof AuditLogError)) throw error
    }
    throw new WitnessError(
      'WITNESS_DAMAGED',
      `Cannot use the record of "${origin}": it is no checkpoint of this log that this witness has cosigned`,
    )
  }

  async #write(next: CosignedCheckpoint): Promise<void> {
    this.#latest = undefined
    await this.#options.files.write(this.#options.fileName, next.bytes)
    this.#latest = next
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action)
    // Whoever asked gets the failure; the next one begins anew
    this.#turn = result.catch(() => undefined)
    return result
  }
}
