// SPDX-License-Identifier: Apache-2.0
import type { Socket as UdpSocket } from 'node:dgram'
import type { Server } from 'node:net'
import type { FromGate, GateConfig, StepDoors, Substitution, TokenAnswer, TokenQuestion } from './contract.ts'
import type { Control, Orders } from './control/control.ts'
import { DnsServer } from './dns/server.ts'
import type { HttpEngine } from './http/http-engine.ts'
import { GateDialer } from './names/dialer.ts'
import { NameTable } from './names/name-table.ts'
import { Resolver } from './names/resolver.ts'
import { JobListener, type JobListenerOptions } from './relay/job-listener.ts'
import { ReadBufferBudget } from './relay/read-buffers.ts'
import { UdpRelays } from './relay/udp-relay.ts'
import { Budgets } from './steps/budgets.ts'
import { OpenSteps } from './steps/open-steps.ts'

/** The sockets in the gate's namespace, as main.ts opens them. */
export interface GateSockets {
  /** Starts to listen. */
  readonly listen: (server: Server) => Promise<void>
  readonly dns: UdpSocket
  readonly relays: readonly UdpSocket[]
}

export interface GateOptions extends Pick<JobListenerOptions, 'sourceOf' | 'destinationOf'> {
  readonly control: Pick<Control, 'say' | 'whose' | 'token'>
  readonly sockets: () => Promise<GateSockets>
  /** A defect of ours, or of the machine's: the gate cannot go on. */
  readonly onDefect: (error: unknown) => void
}

/** The whole gate of one job, but for its process. */
export class Gate implements Orders {
  readonly #options: GateOptions
  readonly #names = new NameTable()
  #steps: OpenSteps | null = null

  constructor(options: GateOptions) {
    this.#options = options
  }

  async configure(config: GateConfig): Promise<string | null> {
    if (this.#steps !== null) throw new TypeError('configured twice')
    const { control, sockets, onDefect, ...ends } = this.#options
    const budgets = new Budgets(config.limits.bytesOut)
    const steps = new OpenSteps(budgets, (message) => control.say(message))
    this.#steps = steps
    const { http, authority } = await prepareHttp(config)
    const names = this.#names
    const dialer = new GateDialer({ resolver: new Resolver(config), config })
    const dns = new DnsServer({ names, stepOf: (source) => steps.of(source) })
    const whose = (step: string, port: number): Promise<string | null> => control.whose(step, port)
    const token = (step: string, question: TokenQuestion): Promise<TokenAnswer | null> => control.token(step, question)
    const services = { config, names, dialer, dns, http, buffers: new ReadBufferBudget(), whose, token }
    const listener = new JobListener({ services, steps, onDefect, ...ends })
    const udp = new UdpRelays({ steps, addresses: dialer, whose, onDefect })
    const opened = await sockets()
    dns.serveUdp(opened.dns)
    for (const [index, socket] of opened.relays.entries()) udp.serve(socket, index)
    await opened.listen(listener.server)
    return authority
  }

  openStep(doors: StepDoors): void {
    this.#opened.open(doors)
    this.#names.open(doors)
  }

  substitute(name: string, substitution: Substitution): boolean {
    return this.#opened.substitute(name, substitution)
  }

  closeStep(name: string): FromGate {
    const step = this.#opened.close(name)
    this.#names.forget(name)
    return step.report.toClosed()
  }

  get #opened(): OpenSteps {
    if (this.#steps === null) throw new TypeError('not configured')
    return this.#steps
  }
}

interface PreparedHttp {
  readonly http: () => Promise<HttpEngine>
  /** PEM. */
  readonly authority: string | null
}

/**
 * The parts for HTTP take a quarter of the gate's start and are not needed to be ready: without an authority they are loaded right after. In the bundle they are
 * in the one file; from the sources they have to be there before, since no file is afterwards.
 */
async function prepareHttp(config: GateConfig): Promise<PreparedHttp> {
  const loadEngine = async (): Promise<HttpEngine> => (await import('./http/http-engine.ts')).createHttpEngine({ authority: null, config })
  if (config.terminates.length > 0) {
    const [{ createHttpEngine }, { createJobAuthority }] = await Promise.all([
      import('./http/http-engine.ts'),
      import('./authority/job-authority.ts'),
    ])
    const authority = await createJobAuthority(config.terminates, new Date())
    const engine = createHttpEngine({ authority, config })
    return { http: () => Promise.resolve(engine), authority: authority.certificate }
  }
  let engine: Promise<HttpEngine> | undefined
  const http = (): Promise<HttpEngine> => {
    engine ??= loadEngine()
    return engine
  }
  if (isBundled) setTimeout(http, LOAD_HTTP_MS)
  else await http()
  return { http, authority: null }
}

/** After `ready`, and after the sandbox has started, which needs the processors more. */
const LOAD_HTTP_MS = 50

const isBundled = !import.meta.url.endsWith('.ts')
