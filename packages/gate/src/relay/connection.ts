// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import {
  type AllowedConnection,
  type ConnectionDecision,
  type ConnectionTarget,
  type DecidingRules,
  decideConnection,
  decideRequest,
  formatTarget,
  narrowToProtocol,
  type Protocol,
  type Refusal,
  type RefusalCode,
} from '@sallyport/access'
import { JOB_NETWORK } from '@sallyport/core'
import type { GateConfig, TokenAnswer, TokenQuestion } from '../contract.ts'
import type { DnsServer } from '../dns/server.ts'
import type { HttpEngine } from '../http/http-engine.ts'
import { refuseHttp } from '../http/refusal-text.ts'
import { type Dialer, type Meter, type Names, RefusedError } from '../ports.ts'
import type { Step } from '../steps/open-steps.ts'
import type { ClientHello } from '../tls/client-hello.ts'
import { asksForSecondHello, readSecondHello } from '../tls/second-hello.ts'
import { DirectSocket } from './direct-socket.ts'
import { type Opening, protocolOf, saysSsh } from './opening.ts'
import type { ReadBufferBudget } from './read-buffers.ts'
import { waitForOpening } from './read-opening.ts'
import { type FirstWords, type RelayOptions, type Reply, relayBytes, resetSocket } from './relay-bytes.ts'
import { checkServerName } from './server-name.ts'

/** What every connection of the job needs. */
export interface ConnectionServices {
  readonly config: GateConfig
  readonly names: Names
  readonly dialer: Dialer
  readonly dns: Pick<DnsServer, 'serveTcp'>
  /** It takes a moment to load, and most connections go on without it. */
  readonly http: () => Promise<HttpEngine>
  readonly buffers: ReadBufferBudget
  /** Which program of the step connects from this port; null: unknown. */
  readonly whose: (step: string, port: number) => Promise<string | null>
  /** A request of the step for an identity token; null: no answer. */
  readonly token: (step: string, question: TokenQuestion) => Promise<TokenAnswer | null>
}

/** Where a job meant to go. */
export interface Destination {
  readonly address: string
  readonly port: number
}

const DNS_PORT = 53

/** One TCP connection of one step, from its accept to its end. */
export class JobConnection {
  readonly #services: ConnectionServices
  readonly #step: Step
  readonly #abort = new AbortController()
  /** The job's side, as it is at the moment. */
  #socket: Socket
  #direct: DirectSocket | null = null

  /** `socket`: paused, nothing read. */
  constructor(services: ConnectionServices, step: Step, socket: Socket) {
    this.#services = services
    this.#step = step
    this.#socket = socket
  }

  /** Resolves when the connection is over, refused or not. A rejection is a defect of ours. */
  async serve(destination: Destination): Promise<void> {
    const end = (): void => this.#end()
    this.#step.endings.add(end)
    this.#socket.once('close', end)
    try {
      if (destination.port === DNS_PORT) await this.#serveDns()
      else if (this.#isOfTokens(destination)) await this.#serveTokens()
      else await this.#serveTarget(await this.#decide(this.#targetOf(destination)))
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      this.#refuse(error)
    } finally {
      this.#step.endings.delete(end)
    }
  }

  /** Of the step, or of the job's side. */
  #end(): void {
    // a reason of ours: Node would make an error with a stack for each
    this.#abort.abort('ended')
    resetSocket(this.#socket)
  }

  #refuse({ refusal }: RefusedError): void {
    // What ended with its step, or because its client went away, was not refused.
    if (!this.#abort.signal.aborted) this.#step.report.refused(refusal)
    resetSocket(this.#socket)
  }

  #serveDns(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#services.dns.serveTcp(this.#socket, this.#step)
      this.#socket.resume()
    })
  }

  #isOfTokens({ address, port }: Destination): boolean {
    const { doors } = this.#step
    const isNamed = this.#services.names.nameOf(doors.step, address) === JOB_NETWORK.tokenHost
    return doors.asksTokens === true && isNamed && port === JOB_NETWORK.tokenPort
  }

  async #serveTokens(): Promise<void> {
    const http = await this.#services.http()
    await http.serveTokens(this.#socket, (question) => this.#services.token(this.#step.doors.step, question))
  }

  #targetOf({ address, port }: Destination): ConnectionTarget {
    const name = this.#services.names.nameOf(this.#step.doors.step, address)
    return { name, address: name === null ? address : null, port, transport: 'tcp', executable: null }
  }

  async #decide(target: ConnectionTarget): Promise<AllowedConnection> {
    const { sets, step } = this.#step.doors
    let decision: ConnectionDecision = decideConnection(sets, target)
    if (decision.asksExecutable) {
      const executable = await this.#services.whose(step, this.#socket.remotePort ?? 0)
      // Unknown is none: what the rules without a program say stands.
      if (executable !== null) decision = decideConnection(sets, { ...target, executable })
    }
    if (!decision.allowed) throw new RefusedError(decision.refusal)
    return decision
  }

  async #serveTarget(decision: AllowedConnection): Promise<void> {
    if (this.#socket.destroyed) return
    // Where any bytes are allowed nobody has to speak first.
    if (decision.protocols.includes('tcp')) return this.#relayAnything(decision)
    // Requests need an ordinary socket; everything else is read directly from its first byte.
    const requests = decision.terminates || decision.protocols.includes('http')
    const words = await waitForOpening(requests ? this.#socket : this.#goDirect(), this.#services.config.limits.helloMs)
    if (words === null) return resetSocket(this.#socket)
    const { opening, head } = words
    switch (opening.kind) {
      case 'tls':
        return this.#serveTls(decision, opening, head)
      case 'http':
        return this.#serveHttp(decision, head)
      case 'ssh':
        return this.#serveSsh(decision, opening.bytes, head)
      case 'refused':
        if (opening.code === 'protocol') this.#narrow(decision, 'tcp')
        throw refused(opening.code, decision.target, opening.reason)
    }
  }

  async #serveTls(decision: AllowedConnection, { hello, bytes }: TlsOpening, head: Buffer): Promise<void> {
    const { target, serverName, terminates } = decision
    const by = this.#narrow(decision, 'tls')
    const check = (one: ClientHello): Refusal | null => checkServerName({ hello: one, target, serverName, rule: by.rule })
    const refusal = check(hello)
    if (refusal !== null) throw new RefusedError(refusal)
    if (terminates) return this.#serveRequests({ target, protocol: 'tls', head, hello })
    const guard =
      serverName === 'any' ? { head } : { head: head.subarray(0, bytes), ...guardSecondHello(head.subarray(bytes), target, check) }
    await this.#relay({ target, meter: () => this.#meter(target, 'tls', by), ...guard })
  }

  async #serveHttp(decision: AllowedConnection, head: Buffer): Promise<void> {
    const { target } = decision
    const narrowed = narrowToProtocol(decision, 'http')
    if (!narrowed.allowed) {
      this.#step.report.refused(narrowed.refusal)
      return this.#answerRefusal(new RefusedError(narrowed.refusal))
    }
    if (target.name !== null) return this.#serveRequests({ target, protocol: 'http', head, hello: null })
    // By address there is no name that a Host could be compared with: let through only where it makes no difference what is asked for.
    const any = decideRequest(this.#step.doors.sets, { target, ...ANY_REQUEST })
    if (!any.allowed) throw new RefusedError(any.refusal)
    await this.#relay({ target, head, meter: () => this.#meter(target, 'http', narrowed) })
  }

  /** In band, since it is HTTP that nobody else answers. */
  #answerRefusal({ refusal }: RefusedError): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#socket.setTimeout(REFUSAL_MS, () => resetSocket(this.#socket))
      refuseHttp(this.#socket, refusal)
      // what else it sends is thrown away, so that the answer arrives before a reset
      this.#socket.resume()
    })
  }

  async #serveSsh(decision: AllowedConnection, bytes: number, head: Buffer): Promise<void> {
    const { target } = decision
    const by = this.#narrow(decision, 'ssh')
    const acceptsGreeting: FirstWords = (greeting) => {
      const isSsh = saysSsh(greeting)
      return isSsh === false ? refused('protocol', target, 'what answers there is no SSH server') : isSsh
    }
    const line = head.subarray(0, bytes)
    // What follows the line waits until it is known who is there (RFC 4253 section 4.2 lets both speak at once, and neither needs to).
    const reply: Reply = { begun: head.subarray(bytes), accepts: () => true }
    await this.#relay({ target, head: line, meter: () => this.#meter(target, 'ssh', by), acceptsGreeting, reply })
  }

  /** What it is goes into the record only. */
  async #relayAnything(decision: AllowedConnection): Promise<void> {
    const { target } = decision
    const meter = (first: Buffer | null): Meter => {
      const protocol = first === null ? 'tcp' : protocolOf(first)
      return this.#meter(target, protocol, this.#narrow(decision, protocol))
    }
    await this.#relay({ target, head: Buffer.alloc(0), meter })
  }

  async #serveRequests({ target, protocol, head, hello }: Requests): Promise<void> {
    const { name } = target
    if (name === null) throw refused('protocol', target, 'requests to an address, without a name, cannot be looked at')
    const http = await this.#services.http()
    if (this.#socket.destroyed) return
    this.#socket.removeAllListeners()
    await http.serve({
      socket: this.#socket,
      head,
      hello,
      target: { ...target, name },
      step: this.#step,
      dialer: this.#services.dialer,
      config: this.#services.config,
      meter: (by) => this.#meter(target, protocol, by),
    })
  }

  async #relay({ target, ...relaying }: Relaying): Promise<void> {
    const destination = await this.#services.dialer.dial(target, this.#abort.signal)
    if (this.#socket.destroyed) return resetSocket(destination)
    const { buffers, config } = this.#services
    const end = await relayBytes(this.#goDirect(), new DirectSocket(destination, buffers), { ...relaying, idleMs: config.limits.idleMs })
    if (end !== 'done') throw end
  }

  #goDirect(): DirectSocket {
    if (this.#direct !== null) return this.#direct
    this.#direct = new DirectSocket(this.#socket, this.#services.buffers)
    this.#socket = this.#direct.socket
    this.#socket.on('error', () => undefined).once('close', () => this.#end())
    return this.#direct
  }

  /** The rules that let the protocol through. @throws RefusedError */
  #narrow(decision: AllowedConnection, protocol: Protocol): DecidingRules {
    const narrowed = narrowToProtocol(decision, protocol)
    if (!narrowed.allowed) throw new RefusedError(narrowed.refusal)
    return narrowed
  }

  #meter({ name, address, port }: ConnectionTarget, protocol: Protocol, { rule, ceiling }: DecidingRules): Meter {
    return this.#step.meter({ host: name ?? address ?? '', port, protocol, rule, ceiling })
  }
}

interface Requests {
  readonly target: ConnectionTarget
  readonly protocol: 'tls' | 'http'
  readonly head: Buffer
  readonly hello: ClientHello | null
}

type TlsOpening = Extract<Opening, { readonly kind: 'tls' }>

interface Relaying extends Omit<RelayOptions, 'idleMs'> {
  readonly target: ConnectionTarget
}

/** What the client says after its ClientHello waits for the server's answer: if that asks for a second one, the name in it is checked like the first. */
function guardSecondHello(
  begun: Buffer,
  target: ConnectionTarget,
  check: (hello: ClientHello) => Refusal | null,
): Required<Pick<RelayOptions, 'acceptsGreeting' | 'reply'>> {
  let asks = true
  return {
    acceptsGreeting: (bytes) => {
      const answer = asksForSecondHello(bytes)
      if (answer === null) return null
      asks = answer
      return true
    },
    reply: {
      begun,
      accepts: (bytes) => {
        if (!asks) return true
        const reading = readSecondHello(bytes)
        if (reading.kind === 'incomplete') return null
        if (reading.kind === 'refused') return refused(reading.code, target, reading.reason)
        const refusal = check(reading.hello)
        return refusal === null ? true : new RefusedError(refusal)
      },
    },
  }
}

const REFUSAL_MS = 2000

/** A request that no condition on methods, paths, GraphQL or websockets would let through. */
const ANY_REQUEST = {
  protocol: 'http',
  method: 'ANY',
  path: { text: '/', segments: [''], query: '' },
  graphql: true,
  upgrade: 'websocket',
} as const

function refused(code: RefusalCode, target: ConnectionTarget, reason: string): RefusedError {
  return new RefusedError({ code, target: formatTarget(target), reason, rule: null, remedy: null })
}
