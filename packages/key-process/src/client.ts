// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { LineReader, messageOf, type SallyportError } from '@sallyport/core'
import { StoreError, type StoreErrorCode } from '@sallyport/store'
import type { Failure, Typed } from './contract.ts'
import { parseAnswerLine } from './messages.ts'

/** It writes some small files durably, or makes a key; one that takes longer hangs. */
const ANSWER_MS = 30_000
/** It starts, and takes a lock that others hold for a moment. */
const READY_MS = 60_000

/** What makes a client one of a certain kind of process. */
export interface KeyProcessKind<Answer extends Typed> {
  /** The longest line that it says. */
  readonly answerBytesMax: number
  /** @throws TypeError for what no such process answers. */
  readonly parseAnswer: (answer: Readonly<Record<string, unknown>>) => Answer
  /** For whatever loses it. */
  readonly lost: (reason: string) => SallyportError
  /** An error with the process's own code, where that is one of its kind; null otherwise. */
  readonly failed: (failure: Failure) => SallyportError | null
}

interface Waiting {
  readonly resolve: (answer: Readonly<Record<string, unknown>>) => void
  readonly reject: (error: SallyportError) => void
  readonly timer: NodeJS.Timeout
}

/** The supervisor's end of a process that holds keys. Whatever goes wrong loses it: every call that waits and every later one rejects. */
export class KeyProcessClient<Question extends Typed, Answer extends Typed> implements Disposable {
  /** Resolves once it can answer. */
  readonly ready: Promise<void>
  readonly #kind: KeyProcessKind<Answer>
  readonly #socket: Duplex
  readonly #lines: LineReader
  readonly #waiting = new Map<number, Waiting>()
  readonly #unready: NodeJS.Timeout
  readonly #settleReady: { readonly resolve: () => void; readonly reject: (error: SallyportError) => void }
  #lost: SallyportError | null = null
  #lastId = 0

  constructor(socket: Duplex, kind: KeyProcessKind<Answer>) {
    this.#kind = kind
    this.#socket = socket
    this.#lines = new LineReader(kind.answerBytesMax)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => undefined) // Every call says so as well.
    this.ready = promise
    this.#settleReady = { resolve, reject }
    this.#unready = setTimeout(() => this.#lose(kind.lost(`it was not ready within ${READY_MS} ms`)), READY_MS)
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.#lose(kind.lost(`its socket failed: ${messageOf(error)}`)))
    socket.on('end', () => this.#lose(kind.lost('its process ended')))
    socket.on('close', () => this.#lose(kind.lost('its process ended')))
  }

  /** The answer, where it is one of these types; any other loses the process. */
  async ask<Type extends Answer['type']>(question: Question, types: readonly Type[]): Promise<Extract<Answer, { type: Type }>> {
    const raw = await this.#send(question)
    const answer = this.#parse(raw)
    const isExpected = (given: Answer): given is Extract<Answer, { type: Type }> => types.some((type) => type === given.type)
    if (isExpected(answer)) return answer
    throw this.#lose(this.#kind.lost(`it answered ${question.type} with ${answer.type}`))
  }

  /** Ends the process. Idempotent. */
  [Symbol.dispose](): void {
    this.#lose(this.#kind.lost('it was closed'))
  }

  #send(question: Question): Promise<Readonly<Record<string, unknown>>> {
    if (this.#lost !== null) return Promise.reject(this.#lost)
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>()
    const timer = setTimeout(() => {
      this.#lose(this.#kind.lost(`it did not answer ${question.type} within ${ANSWER_MS} ms`))
    }, ANSWER_MS)
    this.#waiting.set(id, { resolve, reject, timer })
    this.#socket.write(`${JSON.stringify({ ...question, id })}\n`)
    return promise
  }

  #parse(answer: Readonly<Record<string, unknown>>): Answer {
    try {
      return this.#kind.parseAnswer(answer)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw this.#lose(this.#nonsense(error))
    }
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.read(chunk)) this.#handle(Buffer.from(line).toString())
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)) throw error
      this.#lose(this.#nonsense(error))
    }
  }

  #handle(line: string): void {
    const message = parseAnswerLine(line)
    if ('type' in message) {
      if (message.type === 'ready') {
        clearTimeout(this.#unready)
        this.#settleReady.resolve()
      } else this.#lose(this.#kind.failed(message) ?? storeError(message) ?? this.#kind.lost(`it failed: ${message.message}`))
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (waiting === undefined) throw new TypeError('an answer that nobody asked for')
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    waiting.resolve(message.answer)
  }

  #nonsense({ message }: Error): SallyportError {
    return this.#kind.lost(`it said something that it never says: ${message}`)
  }

  #lose(error: SallyportError): SallyportError {
    if (this.#lost !== null) return this.#lost
    this.#lost = error
    clearTimeout(this.#unready)
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

/** Its files are kept as all others of the state directory are. */
function storeError({ code, message, hint }: Failure): StoreError | null {
  if (!/^STORE_(FULL|DENIED|IO|UNSAFE|CORRUPT)$/.test(code)) return null
  return new StoreError(code as StoreErrorCode, message, hint === null ? {} : { hint })
}
