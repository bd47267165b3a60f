// SPDX-License-Identifier: Apache-2.0
import { stepSource } from '@sallyport/core'
import { GateClient, type GateConfig, gateProgram, reachOf, type StepDoors, type StepTraffic } from '@sallyport/gate'
import type { GateLaunch, Sandbox, StepNetwork } from '@sallyport/sandbox'

type Rule = StepDoors['sets'][number]['rules'][number]

/** Longer than the product waits: a machine that runs tests may be busy. */
const ANSWER_MS = 20_000

const CONFIG: GateConfig = {
  nameServers: [],
  hosts: {},
  trustedHosts: [],
  privateNetworks: [],
  ownAddresses: [],
  authorities: null,
  terminates: [],
  limits: { connections: 64, helloMs: 5000, connectMs: 5000, idleMs: 30_000, bytesOut: null },
}

/** A door as a rule of a test. Only for names. */
export function doorTo(name: string, port: number, protocol: Rule['protocol']): Rule {
  return {
    origin: { source: 'test', line: null, column: null, text: `${name}:${port}` },
    to: { kind: 'name', pattern: { kind: 'exact', name } },
    ports: [{ first: port, last: port }],
    protocol,
    http: null,
    serverName: 'required',
    executables: null,
    budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
  }
}

/** The real gate, started like the product's, for one sandbox: `prepare({ …, gate: gate.launch })`. */
export class TestGate {
  readonly launch: GateLaunch
  readonly #ready = Promise.withResolvers<unknown>()
  #client: GateClient | null = null
  #sandbox: Sandbox | null = null
  #steps = 0

  constructor(config: Partial<GateConfig> = {}) {
    const { argv, env, files } = gateProgram()
    this.launch = {
      argv,
      env,
      files,
      reach: Promise.resolve(reachOf({ ...CONFIG, ...config })),
      attach: (control) => {
        const handlers = {
          refused: ignore,
          used: ignore,
          alert: ignore,
          whose: async (step: string, port: number) => this.#sandbox?.executableOf(step, port) ?? null,
          token: () => Promise.resolve(null),
        }
        this.#client = new GateClient(control, handlers, { answerMs: ANSWER_MS })
        this.#client.configure({ ...CONFIG, ...config }).then(this.#ready.resolve, this.#ready.reject)
      },
      ready: this.#ready.promise,
    }
  }

  /** For rules that name programs. */
  watch(sandbox: Sandbox): void {
    this.#sandbox = sandbox
  }

  /** Opens doors for the next step, which has to have this id; the result is its `StepSpec.network`. */
  async open(step: string, rules: readonly Rule[]): Promise<StepNetwork> {
    this.#steps += 1
    const source = stepSource(this.#steps)
    const sets = [{ author: 'request', source: 'test', rules, observes: false, place: 'test' }] as const
    await this.#started.openStep({ step, source, sets, substitutions: [], honeytokens: [], relays: [] })
    return { source, relays: [] }
  }

  /** What the step used and was refused. */
  close(step: string): Promise<StepTraffic> {
    return this.#started.closeStep(step)
  }

  /** Ends its process. */
  end(): void {
    this.#started.close()
  }

  get #started(): GateClient {
    if (this.#client === null) throw new TypeError('the gate was not given to a sandbox')
    return this.#client
  }
}

function ignore(): void {
  // What a test looks at stands in the answer of `close`.
}
