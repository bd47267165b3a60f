// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { LineReader, messageOf } from '@sallyport/core'
import { type JobFacts, PROVIDER_TIMEOUT_MS, type Replacement, type VersionFacts } from '../contract.ts'
import { SecretsError, type SecretsErrorCode } from '../secrets-error.ts'
import type { Ended } from './broker.ts'
import {
  type AddressAt,
  type Answer,
  type BrokerConfig,
  type BrokerEvent,
  FROM_BROKER_BYTES_MAX,
  type FromBroker,
  MARKS_MAX,
  type Question,
  type ReadRequest,
  type ToBroker,
} from './messages.ts'
import { parseFromBroker } from './parse-messages.ts'

/** A provider is asked within PROVIDER_TIMEOUT_MS; a read opens a session first, and many leases are ended a few at a time. */
const ANSWER_MS = 6 * PROVIDER_TIMEOUT_MS

export interface BrokerObserver {
  event(event: BrokerEvent): void
}

/** What the supervisor gets: the value of one field. */
export interface Read {
  readonly fields: ReadonlyMap<string, Buffer>
  readonly version: string | null
  /** Null: the provider does not tell. */
  readonly createdAtMs: number | null
  /** Null for what does not end. */
  readonly expiresAtMs: number | null
}

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: SecretsError) => void
  readonly timer: NodeJS.Timeout
}

/** The supervisor's end of a broker. Whatever goes wrong with the process loses it: every call that waits and every later one rejects with BROKER_LOST. */
export class BrokerClient implements AsyncDisposable {
  readonly #socket: Duplex
  readonly #observer: BrokerObserver
  readonly #lines = new LineReader(FROM_BROKER_BYTES_MAX)
  readonly #waiting = new Map<number, Waiting>()
  readonly #closed: Promise<void>
  #lost: SecretsError | null = null
  #lastId = 0

  constructor(socket: Duplex, observer: BrokerObserver) {
    this.#socket = socket
    this.#observer = observer
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#closed = promise
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.#lose(`its socket failed: ${messageOf(error)}`))
    socket.on('end', () => this.#lose('its process ended'))
    socket.on('close', () => {
      this.#lose('its process ended')
      resolve()
    })
  }

  /** Before anything else. @throws SecretsError */
  async configure(config: BrokerConfig): Promise<void> {
    await this.#ask({ type: 'configure', ...config }, 'done')
  }

  async openJob(job: string, identity: JobFacts, ttlMs: number): Promise<void> {
    await this.#ask({ type: 'open-job', job, identity, ttlMs }, 'done')
  }

  /** @throws SecretsError */
  async read(request: ReadRequest): Promise<Read> {
    const { fields, version, createdAtMs, expiresAtMs } = await this.#ask({ type: 'read', ...request }, 'read')
    const bytes = Object.entries(fields).map(([name, text]) => [name, Buffer.from(text, 'base64')] as const)
    return { fields: new Map(bytes), version, createdAtMs, expiresAtMs }
  }

  endStep(job: string, step: string): Promise<Ended> {
    return this.#end({ type: 'end-step', job, step })
  }

  endJob(job: string): Promise<Ended> {
    return this.#end({ type: 'end-job', job })
  }

  /** Ends what brokers that were killed have left. */
  sweep(): Promise<Ended> {
    return this.#end({ type: 'sweep' })
  }

  /** What an audit device of the provider writes for marks of sessions, by mark. @throws SecretsError */
  async hashMarks(provider: string, device: string, marks: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    for (let at = 0; at < marks.length; at += MARKS_MAX) {
      const some = marks.slice(at, at + MARKS_MAX)
      const { hashes } = await this.#ask({ type: 'hash-marks', provider, device, marks: some }, 'hashed')
      for (const [index, mark] of some.entries()) found.set(mark, hashes[index] ?? mark)
    }
    return found
  }

  /** @throws SecretsError */
  async look({ provider, address }: AddressAt): Promise<VersionFacts> {
    const { version, createdAtMs, way, isRotating } = await this.#ask({ type: 'look', provider, address }, 'looked')
    return { version, createdAtMs, way, isRotating }
  }

  /** Has the manager begin with a rotation of its own. @throws SecretsError */
  async rotate({ provider, address }: AddressAt, rotation: string): Promise<void> {
    await this.#ask({ type: 'rotate', provider, address, rotation }, 'done')
  }

  /** Answers with the new version. @throws SecretsError */
  async replace({ provider, address }: AddressAt, { old, value, id: rotation }: Replacement): Promise<string> {
    const texts = { old: Buffer.from(old).toString('base64'), value: Buffer.from(value).toString('base64') }
    return (await this.#ask({ type: 'replace', provider, address, rotation, ...texts }, 'replaced')).version
  }

  /** Resolves once the broker has ended all that it made, and itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), ANSWER_MS)
    await this.#closed
    clearTimeout(timer)
  }

  /** No more of the answer than that: it goes on record as it is. */
  async #end(question: Question): Promise<Ended> {
    const { revoked, unrevoked } = await this.#ask(question, 'ended')
    return { revoked, unrevoked }
  }

  async #ask<Type extends Answer['type']>(question: Question, type: Type): Promise<Extract<Answer, { type: Type }>> {
    if (this.#lost !== null) throw this.#lost
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => this.#lose(`it did not answer ${question.type} within ${ANSWER_MS} ms`), ANSWER_MS)
    this.#waiting.set(id, { resolve, reject, timer })
    this.#socket.write(`${JSON.stringify({ ...question, id } satisfies ToBroker)}\n`)
    const answer = await promise
    if (answer.type === 'refused') throw refused(answer)
    if (answer.type === type) return answer as Extract<Answer, { type: Type }>
    throw this.#lose(`it answered ${question.type} with ${answer.type}`)
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.read(chunk)) this.#handle(parseFromBroker(Buffer.from(line).toString()))
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)) throw error
      this.#lose('it said something that no broker says')
    }
  }

  #handle(message: FromBroker): void {
    if (message.type === 'event') return this.#observer.event(message.event)
    const waiting = this.#waiting.get(message.id)
    if (waiting === undefined) throw new TypeError(`${message.type}, which nobody asked for`)
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    waiting.resolve(message)
  }

  #lose(reason: string): SecretsError {
    if (this.#lost !== null) return this.#lost
    this.#lost = new SecretsError('BROKER_LOST', `The broker of secrets is gone: ${reason}`, {
      hint: 'What it had made is ended by the next run, or by: sallyport secrets leases --sweep',
    })
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(this.#lost)
    }
    this.#waiting.clear()
    this.#socket.destroy()
    return this.#lost
  }
}

/** The broker's own words. A code that no error of ours has is a broker's that lies. */
function refused({ code, message, hint }: Extract<Answer, { type: 'refused' }>): SecretsError {
  const known = /^(PROVIDER|SECRET|LEASE|ROTATION|STORE)_[A-Z_]+$/.test(code) ? (code as SecretsErrorCode) : 'BROKER_LOST'
  return new SecretsError(known, message, hint === null ? {} : { hint })
}
