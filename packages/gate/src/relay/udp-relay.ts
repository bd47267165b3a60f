// SPDX-License-Identifier: Apache-2.0
import type { RemoteInfo, Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import {
  type ConnectionTarget,
  type DecidingRules,
  decideConnection,
  formatTarget,
  narrowToProtocol,
  type RefusalCode,
} from '@sallyport/access'
import { plainText } from '../control/plain-text.ts'
import { createUdpSocket } from '../dns/udp-socket.ts'
import { type Candidate, wrongPeer } from '../names/dialer.ts'
import { type Meter, RefusedError } from '../ports.ts'
import type { OpenSteps, Step } from '../steps/open-steps.ts'

/** Finds the addresses that may be reached; see names/dialer.ts. */
export interface AddressFinder {
  /** Never empty. @throws RefusedError */
  candidates(target: ConnectionTarget, signal: AbortSignal): Promise<readonly Candidate[]>
}

export interface UdpRelaysOptions {
  readonly steps: OpenSteps
  readonly addresses: AddressFinder
  /** Which program of the step sends from this port; null: unknown. */
  readonly whose: (step: string, port: number) => Promise<string | null>
  readonly onDefect: (error: unknown) => void
  readonly idleMs?: number
  readonly flowsMax?: number
}

const IDLE_MS = 60_000
/** Of the job at a time. Each is a descriptor. */
const FLOWS_MAX = 256
/** Datagrams that wait for the destination's address; UDP may lose the others. */
const WAITING_MAX = 8
/** Datagrams that the kernel has not taken. */
const UNSENT_BYTES_MAX = 256 * 1024

/** What arrives at the relays' sockets goes to the destinations that they stand for, and answers come back: from there and nowhere else. */
export class UdpRelays {
  readonly #options: UdpRelaysOptions
  readonly #flows = new Map<string, UdpFlow>()

  constructor(options: UdpRelaysOptions) {
    this.#options = options
  }

  /** Relays what arrives at a bound socket, relay `index` of every step. */
  serve(socket: Socket, index: number): void {
    socket.on('message', (datagram, from) => this.#receive(socket, index, datagram, from))
    // what cannot be delivered is lost, as UDP is
    socket.on('error', () => undefined)
  }

  #receive(socket: Socket, index: number, datagram: Buffer, from: RemoteInfo): void {
    // port 0, which a raw socket can send from, cannot be answered: `send` would throw
    if (from.port === 0) return
    const step = this.#options.steps.of(from.address)
    const relay = step?.doors.relays.find((one) => one.index === index)
    if (step === null || relay === undefined) return
    const key = `${from.address} ${from.port} ${index}`
    let flow = this.#flows.get(key)
    if (flow === undefined) {
      const target: ConnectionTarget = { name: relay.name, address: null, port: relay.port, transport: 'udp', executable: null }
      if (this.#flows.size >= (this.#options.flowsMax ?? FLOWS_MAX)) return this.#refuse(step, relay)
      flow = new UdpFlow({
        target,
        step,
        port: from.port,
        answer: (answer) => reply(socket, answer, from),
        closed: () => this.#flows.delete(key),
        options: this.#options,
      })
      this.#flows.set(key, flow)
    }
    flow.send(datagram)
  }

  #refuse(step: Step, { name, port }: { readonly name: string; readonly port: number }): void {
    const reason = 'the job has as many UDP conversations as it may have at a time'
    step.report.refused({ code: 'connections', target: `${name}:${port}/udp`, reason, rule: null, remedy: null })
    step.report.alert('connection-flood', reason, null)
  }
}

function reply(socket: Socket, answer: Buffer, to: RemoteInfo): void {
  if (socket.getSendQueueSize() <= UNSENT_BYTES_MAX) socket.send(answer, to.port, to.address, () => undefined)
}

interface UdpFlowOptions {
  readonly target: ConnectionTarget
  readonly step: Step
  /** Of the job's socket. */
  readonly port: number
  readonly answer: (answer: Buffer) => void
  readonly closed: () => void
  readonly options: UdpRelaysOptions
}

/** One socket of the job with one destination. */
class UdpFlow {
  readonly #flow: UdpFlowOptions
  readonly #abort = new AbortController()
  readonly #idle: NodeJS.Timeout
  readonly #close = (): void => this.#end()
  #waiting: Buffer[] = []
  #upstream: { readonly socket: Socket; readonly meter: Meter } | null = null
  /** While one waits for the rate, others are dropped. */
  #isHeld = false

  constructor(flow: UdpFlowOptions) {
    this.#flow = flow
    this.#idle = setTimeout(this.#close, flow.options.idleMs ?? IDLE_MS)
    flow.step.endings.add(this.#close)
    this.#open().catch((error: unknown) => this.#fail(error))
  }

  send(datagram: Buffer): void {
    this.#idle.refresh()
    const upstream = this.#upstream
    if (upstream !== null) return this.#pass(datagram, 'out', (bytes) => sendTo(upstream.socket, bytes))
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(datagram)
  }

  async #open(): Promise<void> {
    const { target, step, options } = this.#flow
    const { by, allowedTarget } = await this.#decide()
    const [candidate] = await options.addresses.candidates(allowedTarget, this.#abort.signal)
    if (this.#abort.signal.aborted || candidate === undefined) return
    const { address, isOpened } = candidate
    const socket = createUdpSocket(isIPv6(address) ? 'udp6' : 'udp4')
    // refused or unreachable: nobody answers, which the job learns by waiting
    socket.on('error', () => undefined)
    this.#abort.signal.addEventListener('abort', () => {
      socket.close()
      this.#upstream?.meter.close()
    })
    // connected: the kernel lets in what comes from there, and nothing else
    socket.connect(target.port, address, (error?: Error) => {
      if (this.#abort.signal.aborted) return
      // the callback hears of failure too, which Node's types do not tell
      if (error instanceof Error) return this.#fail(unreachable(target, error))
      const wrong = wrongPeer({ remoteAddress: address, localAddress: socket.address().address }, address, isOpened)
      if (wrong !== null) return this.#fail(refused('address', target, wrong))
      const meter = step.meter({ host: target.name ?? '', port: target.port, protocol: 'udp', ...by })
      this.#upstream = { socket, meter }
      for (const datagram of this.#waiting) this.send(datagram)
      this.#waiting = []
    })
    socket.on('message', (answer) => {
      this.#idle.refresh()
      this.#pass(answer, 'in', this.#flow.answer)
    })
  }

  async #decide(): Promise<{ readonly by: DecidingRules; readonly allowedTarget: ConnectionTarget }> {
    const { target, step, options, port } = this.#flow
    let decision = decideConnection(step.doors.sets, target)
    if (decision.asksExecutable) {
      const executable = await options.whose(step.doors.step, port)
      if (executable !== null) decision = decideConnection(step.doors.sets, { ...target, executable })
    }
    if (!decision.allowed) throw new RefusedError(decision.refusal)
    const narrowed = narrowToProtocol(decision, 'udp')
    if (!narrowed.allowed) throw new RefusedError(narrowed.refusal)
    const { rule, ceiling } = narrowed
    return { by: { rule, ceiling }, allowedTarget: decision.target }
  }

  #pass(datagram: Buffer, way: 'out' | 'in', send: (datagram: Buffer) => void): void {
    if (this.#isHeld || this.#upstream === null || this.#abort.signal.aborted) return
    try {
      const rate = this.#upstream.meter[way](datagram.length)
      if (rate === undefined) return send(datagram)
      this.#isHeld = true
      // before it goes on, not after: a rate that is used up holds for a new conversation, too
      void rate.then(() => {
        this.#isHeld = false
        if (!this.#abort.signal.aborted) send(datagram)
      })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The flow stays, closed, until it is idle: it would only be refused again. */
  #fail(error: unknown): void {
    if (!(error instanceof RefusedError)) return this.#flow.options.onDefect(error)
    if (!this.#abort.signal.aborted) this.#flow.step.report.refused(error.refusal)
    this.#abort.abort()
  }

  #end(): void {
    clearTimeout(this.#idle)
    this.#flow.step.endings.delete(this.#close)
    this.#abort.abort()
    this.#flow.closed()
  }
}

function sendTo(socket: Socket, datagram: Buffer): void {
  if (socket.getSendQueueSize() <= UNSENT_BYTES_MAX) socket.send(datagram, () => undefined)
}

function unreachable(target: ConnectionTarget, { message }: Error): RefusedError {
  return refused('unreachable', target, plainText(message, 200))
}

function refused(code: RefusalCode, target: ConnectionTarget, reason: string): RefusedError {
  return new RefusedError({ code, target: formatTarget(target), reason, rule: null, remedy: null })
}
