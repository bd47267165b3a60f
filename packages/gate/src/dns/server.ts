// SPDX-License-Identifier: Apache-2.0
import type { Buffer } from 'node:buffer'
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import type { Names, OpenStep } from '../ports.ts'
import { answerQuery, type NameJudge } from './answer.ts'
import { StepQuestions } from './step-questions.ts'
import { serveTcpQuestions } from './tcp-connection.ts'

/** Of one step at a time: a stub resolver uses one or two. */
const TCP_CONNECTIONS_MAX = 32
/** Answers that the kernel has not taken; beyond, questions are dropped as a busy server drops them. */
const UNSENT_UDP_BYTES_MAX = 1024 * 1024
const TCP_IDLE_MS = 10_000

export interface DnsServerOptions {
  readonly names: Names
  /** Whose packets come from this address; null where no step's doors are open. */
  readonly stepOf: (source: string) => OpenStep | null
  /** Milliseconds, of a clock that never goes back. */
  readonly now?: () => number
  readonly tcpIdleMs?: number
}

/** The job's resolver: everything that it says, it says of itself. */
export class DnsServer {
  readonly #options: DnsServerOptions
  readonly #now: () => number
  /** By the open step itself: what is known of a step goes with it. */
  readonly #steps = new WeakMap<OpenStep, { readonly questions: StepQuestions; connections: number }>()
  readonly #udp = new Set<UdpSocket>()
  readonly #tcp = new Set<Socket>()

  constructor(options: DnsServerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Answers what arrives at a bound socket, to whom it came from, until `close`. */
  serveUdp(socket: UdpSocket): void {
    this.#udp.add(socket)
    socket.on('message', (message, from) => this.#answerUdp(socket, message, from))
    // an answer that cannot be delivered is the asker's loss
    socket.on('error', () => undefined)
  }

  /** Answers what arrives over a connection of the step; ends it with the step. Takes over the socket, of which nothing was read yet. */
  serveTcp(socket: Socket, step: OpenStep): void {
    const known = this.#known(step)
    if (step.signal.aborted || known.connections >= TCP_CONNECTIONS_MAX) return void socket.destroy()
    known.connections += 1
    this.#tcp.add(socket)
    const end = (): void => void socket.destroy()
    step.signal.addEventListener('abort', end)
    socket.once('close', () => {
      known.connections -= 1
      this.#tcp.delete(socket)
      step.signal.removeEventListener('abort', end)
    })
    const answer = (message: Buffer): Buffer | null => this.#answerStep(message, known.questions)
    serveTcpQuestions(socket, { answer, idleMs: this.#options.tcpIdleMs ?? TCP_IDLE_MS })
  }

  close(): void {
    for (const socket of this.#udp) socket.close()
    for (const socket of this.#tcp) socket.destroy()
    this.#udp.clear()
  }

  #answerUdp(socket: UdpSocket, message: Buffer, from: RemoteInfo): void {
    // port 0, which a raw socket can send from, cannot be answered: `send` would throw
    if (from.port === 0 || socket.getSendQueueSize() > UNSENT_UDP_BYTES_MAX) return
    const step = this.#options.stepOf(from.address)
    const open = step !== null && !step.signal.aborted
    const response = open ? this.#answerStep(message, this.#known(step).questions) : answerQuery(message, CLOSED).response
    if (response !== null) socket.send(response, from.port, from.address, () => undefined)
  }

  #answerStep(message: Buffer, questions: StepQuestions): Buffer | null {
    if (!questions.admit(this.#now())) return null
    const { response, malformed } = answerQuery(message, questions)
    if (malformed !== null) questions.refuseMalformed(malformed)
    return response
  }

  #known(step: OpenStep): { readonly questions: StepQuestions; connections: number } {
    let known = this.#steps.get(step)
    if (known === undefined) {
      known = { questions: new StepQuestions(step, this.#options.names, this.#now()), connections: 0 }
      this.#steps.set(step, known)
    }
    return known
  }
}

/** For what comes from no open step. */
const CLOSED: NameJudge = {
  judge: () => ({ kind: 'closed' }),
  nameOf: () => null,
}
