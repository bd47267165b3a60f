// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AuditLogError,
  formatAddCheckpoint,
  type NoteSignature,
  type NoteVerifier,
  noteVerifier,
  type PolicyWitness,
  parseSignatureLines,
} from '@sallyport/audit-log'
import { messageOf } from '@sallyport/core'
import { ask, HttpError, type HttpReply } from '@sallyport/http'
import type { Prove, WitnessOutcome, WitnessTimes } from './contract.ts'
import type { SubmittedCheckpoint } from './submitted-checkpoint.ts'

/** Sixteen of the largest signatures (signed-note: nearly 5 kB), with long names; an honest witness sends one or two. */
const ANSWER_BYTES_MAX = 256 * 1024
/** Each time its size may have changed meanwhile, but not for ever. */
const CONFLICTS_MAX = 5
const RETRY_MS_MAX = 2000

type WithoutWitness<Outcome> = Outcome extends unknown ? Omit<Outcome, 'witness'> : never

type Answer =
  | WithoutWitness<Exclude<WitnessOutcome, { kind: 'failed' }>>
  /** To be asked once more, as before. */
  | { readonly kind: 'again'; readonly reason: string }
  /** To be asked once more, from the size that it has. */
  | { readonly kind: 'conflict'; readonly size: number }

interface WitnessClientOptions {
  readonly times: WitnessTimes
  readonly now: () => number
  readonly size: number
}

/** One witness, as a log sees it. */
export class WitnessClient {
  readonly name: string
  readonly #url: string
  readonly #verifier: NoteVerifier
  readonly #times: WitnessTimes
  readonly #now: () => number
  /** Of the latest tree that it is known to have cosigned; a guess, which it corrects. */
  #size: number
  #superseded = new AbortController()
  #busy: Promise<unknown> = Promise.resolve()

  /** `now`: milliseconds since the epoch. `size`: the first guess. */
  constructor({ name, key }: PolicyWitness, url: string, { times, now, size }: WitnessClientOptions) {
    this.name = name
    this.#url = `${url.replace(/\/+$/, '')}/add-checkpoint`
    this.#verifier = noteVerifier(key)
    this.#times = times
    this.#now = now
    this.#size = size
  }

  /** Never rejects. A call ends one for an older checkpoint that is still waiting: the newer tree holds all of the older. */
  async cosign(submitted: SubmittedCheckpoint, prove: Prove): Promise<WitnessOutcome> {
    this.abandon()
    const superseded = new AbortController()
    this.#superseded = superseded
    const outcome = this.#busy.then(() => this.#ask(submitted, prove, superseded.signal))
    this.#busy = outcome
    return outcome
  }

  /** Ends a call that is still waiting; it answers `failed`. */
  abandon(): void {
    this.#superseded.abort()
  }

  async #ask(submitted: SubmittedCheckpoint, prove: Prove, superseded: AbortSignal): Promise<WitnessOutcome> {
    const signal = AbortSignal.any([superseded, AbortSignal.timeout(this.#times.totalMs)])
    let reason = 'it was not asked'
    for (let [attempt, conflicts] = [0, 0]; !signal.aborted; ) {
      const answer = await this.#askOnce(submitted, prove, signal)
      if (answer.kind === 'conflict') {
        this.#size = answer.size
        reason = 'its size changes with every request'
        if (++conflicts > CONFLICTS_MAX) break
      } else if (answer.kind === 'again') {
        reason = answer.reason
        await this.#backOff(attempt++, signal)
      } else return { ...answer, witness: this.name }
    }
    return { kind: 'failed', witness: this.name, reason: superseded.aborted ? 'a newer checkpoint was to be cosigned' : reason }
  }

  async #askOnce(submitted: SubmittedCheckpoint, prove: Prove, signal: AbortSignal): Promise<Answer> {
    const { bytes: checkpoint, size } = submitted
    // A guess of ours that is too large would be a malformed request
    const oldSize = Math.min(this.#size, size)
    try {
      const proof = oldSize === 0 || oldSize === size ? [] : await prove(oldSize)
      const { requestMs: timeoutMs } = this.#times
      const headers = { 'content-type': 'text/plain; charset=utf-8' }
      const body = formatAddCheckpoint({ oldSize, proof, checkpoint })
      return this.#read(
        await ask({ method: 'POST', url: this.#url, headers, body, timeoutMs, answerBytesMax: ANSWER_BYTES_MAX, signal }),
        submitted,
      )
    } catch (error) {
      if (error instanceof HttpError) return { kind: 'again', reason: error.message }
      return { kind: 'refused', reason: `its request cannot be made: ${messageOf(error)}` }
    }
  }

  /** The answer is untrusted: only the witness's signature in it counts. */
  #read({ status, body }: HttpReply, submitted: SubmittedCheckpoint): Answer {
    const text = Buffer.from(body).toString('utf8')
    if (status === 200) return this.#readCosignatures(text, submitted)
    if (status === 409) return readConflict(text, submitted.size)
    if (status === 429 || status >= 500) return { kind: 'again', reason: `it answered with status ${status}` }
    if (status === 403) return { kind: 'unknown-key', reason: `it does not know the key that has signed (status 403: ${firstLine(text)})` }
    return { kind: 'refused', reason: `it answered with status ${status}: ${firstLine(text)}` }
  }

  #readCosignatures(text: string, { note, size }: SubmittedCheckpoint): Answer {
    const found = parseLines(text)?.find(({ name, keyId }) => name === this.#verifier.key.name && keyId === this.#verifier.key.keyId)
    const timestampS = found === undefined ? null : (this.#verifier.verify(note.text, found.signature)?.timestampS ?? null)
    if (found === undefined || timestampS === null) return { kind: 'again', reason: 'its answer has no valid cosignature by its key' }
    const nowS = this.#now() / 1000
    if (Math.abs(nowS - timestampS) > this.#times.clockSkewS)
      return { kind: 'again', reason: `its cosignature is of ${timestampS}, which is not about now` }
    this.#size = size
    return { kind: 'cosigned', signature: found, timestampS }
  }

  async #backOff(attempt: number, signal: AbortSignal): Promise<void> {
    const ms = Math.min(this.#times.retryMs * 2 ** attempt, RETRY_MS_MAX)
    // Rejects when the time is over, which the loop sees
    await sleep(ms / 2 + Math.random() * (ms / 2), undefined, { signal }).catch(() => undefined)
  }
}

function readConflict(text: string, size: number): Answer {
  const remembered = /^(?:0|[1-9][0-9]{0,14})\n$/.test(text) ? Number(text) : null
  if (remembered === null) return { kind: 'again', reason: 'it answered with status 409, without a size' }
  if (remembered <= size) return { kind: 'conflict', size: remembered }
  return { kind: 'ahead', size: remembered, reason: `it has cosigned a tree of ${remembered} entries, this one has ${size}` }
}

function parseLines(text: string): readonly NoteSignature[] | null {
  try {
    return parseSignatureLines(text)
  } catch (error) {
    if (error instanceof AuditLogError) return null
    throw error
  }
}

/** For messages: short, and without control characters. */
function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)
}
