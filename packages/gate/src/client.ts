// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { DoorUse, Refusal } from '@sallyport/access'
import { LineReader, messageOf } from '@sallyport/core'
import {
  type AlertKind,
  type FromGate,
  type GateConfig,
  type StepDoors,
  type Substitution,
  TOKEN_QUESTIONS_MAX,
  type ToGate,
  type TokenAnswer,
  type TokenQuestion,
} from './contract.ts'
import { FROM_GATE_BYTES_MAX, parseFromGate } from './control/parse-from-gate.ts'
import { plainText } from './control/plain-text.ts'
import { GateError } from './gate-error.ts'

/** What a step did with the network; cut and cleaned, but chosen by the job all the same. */
export interface StepTraffic {
  readonly used: readonly DoorUse[]
  readonly refused: readonly { readonly refusal: Refusal; readonly count: number }[]
  /** Refusals beyond the number that is told apart. */
  readonly refusedMore: number
}

/** Called as the gate says it, in its order. None may throw. */
export interface GateHandlers {
  refused(step: string, refusal: Refusal): void
  used(step: string, door: { readonly host: string; readonly port: number; readonly rule: string | null }): void
  alert(step: string, alert: { readonly kind: AlertKind; readonly detail: string; readonly bytes: number | null }): void
  /** The path, inside the sandbox, of the program of this step that owns the connection from this port of the job's; null: unknown. A rejection counts as unknown. */
  whose(step: string, port: number): Promise<string | null>
  /** The step's request for an identity token; null: no answer. A rejection counts as that. */
  token(step: string, question: TokenQuestion): Promise<TokenAnswer | null>
}

/** A gate that answers later than this hangs. */
const ANSWER_MS = 5000

/** `whose` that wait for an answer: the gate itself asks for no more at a time. */
const QUESTIONS_MAX = 256

interface Waiting {
  readonly resolve: (answer: FromGate) => void
  readonly reject: (error: GateError) => void
  readonly timer: NodeJS.Timeout
}

/**
 * The supervisor's end of a gate. Whatever goes wrong (the process ends, hangs, or says what no gate says) loses the gate: its socket is closed, which
 * ends the process, every call that waits and every later one rejects with `GATE_LOST`, and `lost` resolves with the reason.
 */
export class GateClient {
  /** Why there is no gate any more, in one clause; after `close()` too. Never rejects. */
  readonly lost: Promise<string>
  readonly #control: Duplex
  readonly #handlers: GateHandlers
  readonly #answerMs: number
  readonly #lines = new LineReader(FROM_GATE_BYTES_MAX)
  readonly #waiting = new Map<string, Waiting>()
  readonly #resolveLost: (reason: string) => void
  #lostReason: string | null = null
  #questions = 0
  #tokenQuestions = 0

  /** `control`: see `GateLaunch.attach` of packages/sandbox. */
  constructor(control: Duplex, handlers: GateHandlers, options: { readonly answerMs?: number } = {}) {
    this.#control = control
    this.#handlers = handlers
    this.#answerMs = options.answerMs ?? ANSWER_MS
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.#resolveLost = resolve
    control.on('data', (chunk: Buffer) => this.#read(chunk))
    control.on('error', (error) => this.#lose(`its socket failed: ${messageOf(error)}`))
    control.on('close', () => this.#lose('its process ended'))
    control.on('end', () => this.#lose('its process ended'))
  }

  /** Once, first. `authority`: PEM of the certificate that the job has to trust, or null. It may be called before the process runs; that counts toward its time. */
  async configure(config: GateConfig): Promise<{ readonly authority: string | null }> {
    const answer = await this.#ask('ready', { type: 'configure', config })
    return { authority: answer.type === 'ready' ? answer.authority : null }
  }

  /** Before the step's first process. Resolves when its doors are open. */
  async openStep(doors: StepDoors): Promise<void> {
    await this.#ask(`step-open ${doors.step}`, { type: 'open-step', doors })
  }

  /** One at a time. From when it resolves on, the placeholder means the value; false where the doors are not open. */
  async substitute(step: string, substitution: Substitution): Promise<boolean> {
    const answer = await this.#ask(`substituting ${step}`, { type: 'substitute', step, substitution })
    return answer.type === 'substituting' && answer.open
  }

  /** After the step. Resolves when its doors are shut and its connections closed. */
  async closeStep(step: string): Promise<StepTraffic> {
    const answer = await this.#ask(`step-closed ${step}`, { type: 'close-step', step })
    if (answer.type !== 'step-closed') throw new TypeError(`closeStep was answered by ${answer.type}`)
    return { used: answer.used, refused: answer.refused, refusedMore: answer.refusedMore }
  }

  /** Ends the gate. Idempotent. */
  close(): void {
    this.#lose('it was closed')
  }

  #ask(key: string, message: ToGate): Promise<FromGate> {
    const { promise, resolve, reject } = Promise.withResolvers<FromGate>()
    if (this.#lostReason !== null) return Promise.reject(lostError(this.#lostReason))
    if (this.#waiting.has(key)) throw new TypeError(`asked twice: ${message.type}`)
    const timer = setTimeout(() => this.#lose(`it did not answer ${message.type} within ${this.#answerMs} ms`), this.#answerMs)
    this.#waiting.set(key, { resolve, reject, timer })
    this.#write(message)
    return promise
  }

  #write(message: ToGate): void {
    this.#control.write(`${JSON.stringify(message)}\n`)
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.read(chunk)) {
        if (this.#lostReason !== null) return
        this.#handle(parseFromGate(Buffer.from(line).toString()))
      }
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error
      this.#lose(`it said something that no gate says: ${error.message}`)
    }
  }

  #handle(message: FromGate): void {
    switch (message.type) {
      case 'ready':
        return this.#answer('ready', message)
      case 'step-open':
      case 'step-closed':
      case 'substituting':
        return this.#answer(`${message.type} ${message.step}`, message)
      case 'refused':
        return this.#handlers.refused(message.step, message.refusal)
      case 'used':
        return this.#handlers.used(message.step, { host: message.host, port: message.port, rule: message.rule })
      case 'alert':
        return this.#handlers.alert(message.step, { kind: message.kind, detail: message.detail, bytes: message.bytes })
      case 'whose':
        return this.#answerWhose(message.id, message.step, message.port)
      case 'token':
        return this.#answerToken(message.id, message.step, message.question)
      case 'failed':
        return this.#lose(`it failed: ${message.message}`)
    }
  }

  #answer(key: string, message: FromGate): void {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) throw new TypeError(`${message.type}, which nobody asked for`)
    this.#waiting.delete(key)
    clearTimeout(waiting.timer)
    waiting.resolve(message)
  }

  #answerWhose(id: number, step: string, port: number): void {
    if (this.#questions >= QUESTIONS_MAX) throw new TypeError('too many questions at a time')
    this.#questions += 1
    const answer = (path: string | null): void => {
      this.#questions -= 1
      if (this.#lostReason === null) this.#write({ type: 'executable', id, path })
    }
    // Unknown is the safe answer: rules for a program do not match then.
    this.#handlers.whose(step, port).then(answer, () => answer(null))
  }

  #answerToken(id: number, step: string, question: TokenQuestion): void {
    if (this.#tokenQuestions >= TOKEN_QUESTIONS_MAX) throw new TypeError('too many requests for tokens at a time')
    this.#tokenQuestions += 1
    const answer = (found: TokenAnswer | null): void => {
      this.#tokenQuestions -= 1
      if (this.#lostReason === null) this.#write({ type: 'token-answer', id, answer: found })
    }
    this.#handlers.token(step, question).then(answer, () => answer(null))
  }

  #lose(reason: string): void {
    if (this.#lostReason !== null) return
    this.#lostReason = plainText(reason, 1000)
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(lostError(this.#lostReason))
    }
    this.#waiting.clear()
    this.#control.destroy()
    this.#resolveLost(this.#lostReason)
  }
}

function lostError(reason: string): GateError {
  return new GateError('GATE_LOST', `The gate of the job is gone: ${reason}`, {
    hint: 'Nothing can leave the job without it; run the job again',
  })
}
