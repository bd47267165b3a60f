// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { LineReader } from '@sallyport/core'
import {
  type FromGate,
  type GateConfig,
  type StepDoors,
  type Substitution,
  TOKEN_QUESTIONS_MAX,
  type ToGate,
  type TokenAnswer,
  type TokenQuestion,
} from '../contract.ts'
import { type QuestionBounds, Questions } from './questions.ts'

/** What the supervisor asks of the gate. */
export interface Orders {
  /** @returns the certificate of the job's authority, or null. */
  configure(config: GateConfig): Promise<string | null>
  openStep(doors: StepDoors): void
  /** @returns false where the step's doors are not open. */
  substitute(step: string, substitution: Substitution): boolean
  /** @returns the report of the step. */
  closeStep(step: string): FromGate
}

/** The supervisor is believed; the bound is for a defect of ours. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** The supervisor looks it up in the sandbox; a client waits for its connection meanwhile. */
const PROGRAM_BOUNDS: QuestionBounds = { max: 256, waitMs: 3000 }
/** A token goes out when its record is durable, which witnesses may have to cosign. A step asks for a few at a time. */
const TOKEN_BOUNDS: QuestionBounds = { max: TOKEN_QUESTIONS_MAX, waitMs: 60_000 }

/** The gate's end of the control socket. */
export class Control {
  readonly #socket: Duplex
  readonly #lines = new LineReader(LINE_BYTES_MAX)
  readonly #programs = new Questions<string>(PROGRAM_BOUNDS)
  readonly #tokens = new Questions<TokenAnswer>(TOKEN_BOUNDS)

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** Obeys until the socket ends. `onDefect`: the gate cannot go on. */
  serve(orders: Orders, onDefect: (error: unknown) => void): void {
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const line of this.#lines.read(chunk)) this.#obey(JSON.parse(Buffer.from(line).toString()) as ToGate, orders, onDefect)
      } catch (error) {
        onDefect(error)
      }
    })
  }

  say(message: FromGate): void {
    this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  /** Which program of the step has the connection from this port; null: unknown. */
  whose(step: string, port: number): Promise<string | null> {
    return this.#programs.ask((id) => this.say({ type: 'whose', id, step, port }))
  }

  /** What the step's request for a token is answered with; null: nothing. */
  token(step: string, question: TokenQuestion): Promise<TokenAnswer | null> {
    return this.#tokens.ask((id) => this.say({ type: 'token', id, step, question }))
  }

  #obey(message: ToGate, orders: Orders, onDefect: (error: unknown) => void): void {
    switch (message.type) {
      case 'configure':
        orders.configure(message.config).then((authority) => this.say({ type: 'ready', authority }), onDefect)
        return
      case 'open-step':
        orders.openStep(message.doors)
        return this.say({ type: 'step-open', step: message.doors.step })
      case 'substitute':
        return this.say({ type: 'substituting', step: message.step, open: orders.substitute(message.step, message.substitution) })
      case 'close-step':
        return this.say(orders.closeStep(message.step))
      case 'executable':
        return this.#programs.answer(message.id, message.path)
      case 'token-answer':
        return this.#tokens.answer(message.id, message.answer)
      default:
        throw new TypeError('an order of no known type')
    }
  }
}
