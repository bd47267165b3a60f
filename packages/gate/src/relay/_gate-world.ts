// SPDX-License-Identifier: Apache-2.0
// A whole gate in this process, without namespaces: each step connects from a loopback address of its own, and the address that it connects to says
// which destination it means.
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import type { EgressRule, Refusal, RuleSet } from '@sallyport/access'
import type { FromGate, GateConfig, GateLimits, StepDoors, TokenAnswer, TokenQuestion } from '../contract.ts'
import { questionMessage, readAnswer } from '../dns/_messages.ts'
import { createUdpSocket } from '../dns/udp-socket.ts'
import { Gate } from '../gate.ts'

export const STEP = 'build/1'

export interface RuleParts extends Partial<Omit<EgressRule, 'to' | 'ports'>> {
  /** A name, `*.name`, or a network in CIDR form. */
  readonly to: string
  readonly port: number
}

export function rule({ to, port, ...parts }: RuleParts): EgressRule {
  return {
    origin: { source: 'sallyport.yml', line: 3, column: 9, text: `${to}:${port}` },
    to: to.includes('/') ? { kind: 'network', cidr: to } : nameOf(to),
    ports: [{ first: port, last: port }],
    protocol: 'tcp',
    http: null,
    serverName: 'required',
    executables: null,
    budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
    ...parts,
  }
}

function nameOf(to: string): EgressRule['to'] {
  const kind = to.startsWith('*.') ? 'suffix' : 'exact'
  return { kind: 'name', pattern: { kind, name: kind === 'suffix' ? to.slice(2) : to } }
}

export function ruleSet(...rules: readonly EgressRule[]): RuleSet {
  return { author: 'request', source: 'sallyport.yml', rules, observes: false, place: 'jobs.build.egress' }
}

export interface GateWorld extends AsyncDisposable {
  readonly gate: Gate
  /** PEM, or null. */
  readonly authority: string | null
  readonly messages: FromGate[]
  /** What was thrown where nothing may be. */
  readonly defects: unknown[]
  readonly server: Server
  refusals(): Refusal[]
  open(rules: readonly RuleSet[] | readonly EgressRule[], step?: WorldStep): void
  /** Asks the gate's resolver; the synthetic address. */
  lookUp(name: string, number?: number): Promise<string>
  /** As a process of the step that connects to the name (or address) and port. */
  connect(to: { readonly name?: string; readonly address?: string; readonly port: number; readonly number?: number }): Promise<Socket>
  close(step?: string): Extract<FromGate, { type: 'step-closed' }>
}

interface WorldStep extends Pick<StepDoors, 'step' | 'asksTokens'> {
  readonly number: number
}

export interface GateWorldOptions {
  readonly hosts?: readonly string[]
  readonly limits?: Partial<GateLimits>
  readonly config?: Partial<GateConfig>
  readonly whose?: (step: string, port: number) => Promise<string | null>
  readonly token?: (step: string, question: TokenQuestion) => Promise<TokenAnswer | null>
}

export async function startGateWorld({ hosts = [], limits = {}, config = {}, whose, token }: GateWorldOptions = {}): Promise<GateWorld> {
  const messages: FromGate[] = []
  const defects: unknown[] = []
  const dns = createUdpSocket('udp4')
  const bound = once(dns, 'listening')
  dns.bind(0, '127.0.0.1')
  await bound
  let server: Server | undefined
  const gate = new Gate({
    control: {
      say: (message) => void messages.push(message),
      whose: whose ?? (() => Promise.resolve(null)),
      token: token ?? (() => Promise.resolve(null)),
    },
    sockets: () =>
      Promise.resolve({
        dns,
        relays: [],
        listen: async (listening: Server) => {
          server = listening
          listening.listen(0, '0.0.0.0')
          await once(listening, 'listening')
        },
      }),
    destinationOf: ({ localAddress = '' }) => decodeDestination(localAddress),
    onDefect: (error) => void defects.push(error),
  })
  const authority = await gate.configure({
    nameServers: [],
    hosts: Object.fromEntries(hosts.map((name) => [name, ['127.0.0.1']])),
    trustedHosts: hosts,
    privateNetworks: ['127.0.0.0/8'],
    ownAddresses: [],
    authorities: null,
    terminates: [],
    ...config,
    limits: { connections: 100, helloMs: 500, connectMs: 1000, idleMs: 5000, bytesOut: null, ...limits },
  })
  if (server === undefined) throw new Error('the gate does not listen')
  return new World(gate, { authority, messages, defects, server, dnsPort: dns.address().port, dns })
}

interface WorldParts {
  readonly authority: string | null
  readonly messages: FromGate[]
  readonly defects: unknown[]
  readonly server: Server
  readonly dnsPort: number
  readonly dns: { close(): void }
}

class World implements GateWorld {
  readonly gate: Gate
  readonly authority: string | null
  readonly messages: FromGate[]
  readonly defects: unknown[]
  readonly server: Server
  readonly #parts: WorldParts
  readonly #sockets = new Set<Socket>()

  constructor(gate: Gate, parts: WorldParts) {
    this.gate = gate
    this.authority = parts.authority
    this.messages = parts.messages
    this.defects = parts.defects
    this.server = parts.server
    this.#parts = parts
  }

  refusals(): Refusal[] {
    return this.messages.flatMap((message) => (message.type === 'refused' ? [message.refusal] : []))
  }

  open(rules: readonly RuleSet[] | readonly EgressRule[], { step, number, ...more }: WorldStep = { step: STEP, number: 1 }): void {
    const sets = rules.every((one) => 'rules' in one) ? rules : [ruleSet(...(rules as EgressRule[]))]
    this.gate.openStep({ step, source: sourceOf(number), sets, substitutions: [], honeytokens: [], relays: [], ...more })
  }

  async lookUp(name: string, number = 1): Promise<string> {
    const socket = createUdpSocket('udp4')
    socket.bind(0, sourceOf(number))
    socket.send(questionMessage(name), this.#parts.dnsPort, '127.0.0.1')
    const [message] = (await once(socket, 'message')) as [Buffer]
    socket.close()
    const address = readAnswer(message).answers[0]?.data
    if (address === undefined) throw new Error(`no address for ${name}`)
    return address.join('.')
  }

  async connect({ name, address, port, number = 1 }: Parameters<GateWorld['connect']>[0]): Promise<Socket> {
    const meant = name === undefined ? (address ?? '') : await this.lookUp(name, number)
    const listening = this.server.address() as AddressInfo
    const socket = connectTcp({
      host: encodeDestination(meant, port),
      port: listening.port,
      localAddress: sourceOf(number),
      allowHalfOpen: true,
    })
    this.#sockets.add(socket)
    // a reset may come before the connection is known to be there
    await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
    return socket
  }

  close(step: string = STEP): Extract<FromGate, { type: 'step-closed' }> {
    const message = this.gate.closeStep(step)
    if (message.type !== 'step-closed') throw new Error(`closed by ${message.type}`)
    return message
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#parts.dns.close()
    this.server.close()
    await once(this.server, 'close')
  }
}

function sourceOf(number: number): string {
  return `127.0.0.${10 + number}`
}

/** 198.19.0.N (what a name stands for) and port: 127.N.PORT; 203.0.113.N, a literal address: 127.(128 + N).PORT. */
function encodeDestination(address: string, port: number): string {
  const [first, , , last] = address.split('.').map(Number)
  return `127.${first === 198 ? last : 128 + (last ?? 0)}.${port >> 8}.${port & 255}`
}

function decodeDestination(localAddress: string): { readonly address: string; readonly port: number } {
  const [, number = 0, high = 0, low = 0] = localAddress.split('.').map(Number)
  return { address: number < 128 ? `198.19.0.${number}` : `203.0.113.${number - 128}`, port: (high << 8) | low }
}

export interface Origin extends AsyncDisposable {
  readonly port: number
  readonly connections: Socket[]
}

/** Something real to connect to, on the loopback. */
export async function startOrigin(serve: (socket: Socket) => void): Promise<Origin> {
  const connections: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.push(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of connections) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Everything until the peer's end; rejects when the connection breaks. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/** How a connection ends that nobody answers. */
export async function endOf(socket: Socket): Promise<'end' | 'reset' | 'open'> {
  socket.resume()
  const { promise, resolve } = Promise.withResolvers<'end' | 'reset' | 'open'>()
  const timer = setTimeout(resolve, 2000, 'open')
  socket.once('end', () => resolve('end'))
  const failed = (error: NodeJS.ErrnoException): void => resolve(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'open')
  socket.once('error', failed)
  if (socket.errored !== null) failed(socket.errored)
  return await promise.finally(() => clearTimeout(timer))
}
