// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { LineReader } from '@sallyport/core'
import type { FromGate, GateConfig, StepDoors, ToGate } from '../contract.ts'

/** What the supervisor asks of the gate. */
export interface Orders {
  /** @returns the certificate of the job's authority, or null. */
  configure(config: GateConfig): Promise<string | null>
  openStep(doors: StepDoors): void
  /** @returns the report of the step. */
  closeStep(step: string): FromGate
}

/** The supervisor is believed; the bound is for a defect of ours. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** Questions that the supervisor has not answered; beyond, the answer is "unknown". It takes more for an attack. */
const QUESTIONS_MAX = 256
/** The supervisor looks it up in the sandbox; a client waits for its connection meanwhile. */
const QUESTION_MS = 3000

/** The gate's end of the control socket. */
export class Control {
  readonly #socket: Duplex
  readonly #lines = new LineReader(LINE_BYTES_MAX)
  readonly #questions = new Map<number, (path: string | null) => void>()
  #lastQuestion = 0

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
    if (this.#questions.size >= QUESTIONS_MAX) return Promise.resolve(null)
    const { promise, resolve } = Promise.withResolvers<string | null>()
    this.#lastQuestion += 1
    const id = this.#lastQuestion
    const timer = setTimeout(resolve, QUESTION_MS, null)
    // One that nobody waits for any more counts until it is answered: a slow supervisor still has to read it.
    this.#questions.set(id, (path) => {
      clearTimeout(timer)
      this.#questions.delete(id)
      resolve(path)
    })
    this.say({ type: 'whose', id, step, port })
    return promise
  }

  #obey(message: ToGate, orders: Orders, onDefect: (error: unknown) => void): void {
    switch (message.type) {
      case 'configure':
        orders.configure(message.config).then((authority) => this.say({ type: 'ready', authority }), onDefect)
        return
      case 'open-step':
        orders.openStep(message.doors)
        return this.say({ type: 'step-open', step: message.doors.step })
      case 'close-step':
        return this.say(orders.closeStep(message.step))
      case 'executable':
        return this.#questions.get(message.id)?.(message.path)
      default:
        throw new TypeError('an order of no known type')
    }
  }
}
