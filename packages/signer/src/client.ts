// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { CheckpointSigner, Growth, RotatedEpoch, TreeHead } from '@sallyport/audit-log'
import { LineReader, messageOf, type SallyportError } from '@sallyport/core'
import { StoreError, type StoreErrorCode } from '@sallyport/store'
import { type Answer, FROM_SIGNER_BYTES_MAX, type FromSigner, type Question, type ToSigner } from './contract.ts'
import { parseEpoch } from './epoch.ts'
import { parseFromSigner } from './messages.ts'
import { SignerError, type SignerErrorCode } from './signer-error.ts'
import { parseHead } from './signer-state.ts'

/** It writes two small files durably; a disk that takes longer hangs. */
const ANSWER_MS = 30_000

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: SallyportError) => void
  readonly timer: NodeJS.Timeout
}

/** The supervisor's end of a signer. Whatever goes wrong loses it: every call that waits and every later one rejects with `SIGNER_LOST`. */
export class SignerClient implements CheckpointSigner, Disposable {
  readonly origin: string
  /** Resolves once it can sign. @throws SignerError SIGNER_LOCKED, SIGNER_DAMAGED, SIGNER_LOST; StoreError for its files. */
  readonly ready: Promise<void>
  readonly #socket: Duplex
  readonly #lines = new LineReader(FROM_SIGNER_BYTES_MAX)
  readonly #waiting = new Map<number, Waiting>()
  readonly #settleReady: { readonly resolve: () => void; readonly reject: (error: SallyportError) => void }
  #lost: SallyportError | null = null
  #lastId = 0

  constructor(origin: string, socket: Duplex) {
    this.origin = origin
    this.#socket = socket
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => undefined) // Every call says so as well.
    this.ready = promise
    this.#settleReady = { resolve, reject }
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.#lose(lostError(`its socket failed: ${messageOf(error)}`)))
    socket.on('end', () => this.#lose(lostError('its process ended')))
    socket.on('close', () => this.#lose(lostError('its process ended')))
  }

  async latest(): Promise<TreeHead | null> {
    const answer = await this.#ask({ type: 'latest' })
    if (answer.type !== 'latest') throw this.#lose(lostError(`it answered latest with ${answer.type}`))
    return answer.head === null ? null : (parseHead(answer.head) ?? null)
  }

  async sign({ oldSize, proof, head }: Growth): Promise<Uint8Array> {
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const answer = await this.#ask({ type: 'sign', oldSize, proof: proof.map(base64), head: { size: head.size, root: base64(head.root) } })
    if (answer.type === 'refused')
      throw new SignerError('SIGNER_REFUSED', answer.message, {
        hint: 'The log is not the one that was signed before: sallyport audit verify says what is wrong',
      })
    if (answer.type !== 'signed') throw this.#lose(lostError(`it answered sign with ${answer.type}`))
    return Buffer.from(answer.note, 'base64')
  }

  /** The keys that have signed, and the one that signs now. */
  epochs(): Promise<readonly RotatedEpoch[]> {
    return this.#askEpochs({ type: 'epochs' })
  }

  /** From the tree on that was signed last, a new key signs. Answers with the epochs, the new one last. */
  rotate(): Promise<readonly RotatedEpoch[]> {
    return this.#askEpochs({ type: 'rotate' })
  }

  async #askEpochs(question: Question): Promise<readonly RotatedEpoch[]> {
    const answer = await this.#ask(question)
    if (answer.type !== 'epochs') throw this.#lose(lostError(`it answered ${question.type} with ${answer.type}`))
    return answer.epochs.map(parseEpoch)
  }

  /** Ends the signer. Idempotent. */
  [Symbol.dispose](): void {
    this.#lose(lostError('it was closed'))
  }

  #ask(question: Question): Promise<Answer> {
    if (this.#lost !== null) return Promise.reject(this.#lost)
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => this.#lose(lostError(`it did not answer ${question.type} within ${ANSWER_MS} ms`)), ANSWER_MS)
    this.#waiting.set(id, { resolve, reject, timer })
    this.#socket.write(`${JSON.stringify({ ...question, id } satisfies ToSigner)}\n`)
    return promise
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.read(chunk)) this.#handle(parseFromSigner(Buffer.from(line).toString()))
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)) throw error
      this.#lose(lostError(`it said something that no signer says: ${error.message}`))
    }
  }

  #handle(message: FromSigner): void {
    if (message.type === 'ready') return this.#settleReady.resolve()
    if (message.type === 'failed') {
      this.#lose(failedError(message))
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (waiting === undefined) throw new TypeError(`${message.type}, which nobody asked for`)
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    waiting.resolve(message)
  }

  #lose(error: SallyportError): SallyportError {
    if (this.#lost !== null) return this.#lost
    this.#lost = error
    this.#settleReady.reject(error)
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#waiting.clear()
    this.#socket.destroy()
    return error
  }
}

function lostError(reason: string): SignerError {
  return new SignerError('SIGNER_LOST', `The signer of the log is gone: ${reason}`, {
    hint: 'What was appended is durable; the log is published when its signer runs again',
  })
}

/** Its own words, with its own code where that is one that a signer or its files have. */
function failedError({ code, message, hint }: Extract<FromSigner, { type: 'failed' }>): SallyportError {
  const options = hint === null ? {} : { hint }
  if (/^SIGNER_(REFUSED|LOST|LOCKED|DAMAGED)$/.test(code)) return new SignerError(code as SignerErrorCode, message, options)
  if (/^STORE_(FULL|DENIED|IO|UNSAFE|CORRUPT)$/.test(code)) return new StoreError(code as StoreErrorCode, message, options)
  return lostError(`it failed: ${message}`)
}
