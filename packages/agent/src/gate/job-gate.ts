// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { RuleSet } from '@sallyport/access'
import { stepSource } from '@sallyport/core'
import {
  GateClient,
  type GateConfig,
  GateError,
  type GateHandlers,
  gateProgram,
  reachOf,
  type StepDoors,
  type StepTraffic,
  type Substitution,
  type TokenAnswer,
  type TokenQuestion,
} from '@sallyport/gate'
import type { GateLaunch, RefusedPacket, Sandbox, StepNetwork } from '@sallyport/sandbox'
import type { EffectiveAccess } from '../access/contract.ts'
import { relaysOf } from './relays.ts'

/** What a gate is asked waits behind whatever its job sends; and its first answer behind the building of the sandbox. */
const ANSWER_MS = 30_000

/**
 * Connections: a tenth of what the gate can have descriptors for, two for each. A client says what it wants within a second; ten are for one
 * whose CPU limit is small. Fifteen minutes of silence are what a long poll of a package registry or a push over ssh may take.
 */
const LIMITS = { connections: 2048, helloMs: 10_000, connectMs: 10_000, idleMs: 15 * 60e3 } as const

export type GateAccess = Pick<EffectiveAccess, 'gate' | 'bytesOutMax'>

/** What is told while a step runs. Chosen by the job. */
export type GateListener = Pick<GateHandlers, 'used' | 'refused' | 'alert'>

/** `source`: of the step whose doors are open, which no job can choose. */
export type AnswerTokens = (question: TokenQuestion, source: string) => Promise<TokenAnswer | null>

/** What a step's doors have beside rules. */
export type DoorExtras = Partial<Pick<StepDoors, 'substitutions' | 'signings' | 'honeytokens' | 'asksTokens' | 'awaitsSubstitutions'>>

/** The supervisor's hold on the gate of one job: its start, and the doors of the one step that runs. */
export class JobGate {
  /** For `SandboxSpec.gate`. */
  readonly launch: GateLaunch
  /** Why there is no gate any more; after the sandbox's own end too. Never rejects. */
  readonly lost: Promise<string>
  readonly #config: Promise<GateConfig>
  readonly #ready = Promise.withResolvers<{ readonly authority: string | null }>()
  readonly #lost = Promise.withResolvers<string>()
  #readyMs: number | null = null
  #client: GateClient | null = null
  #listener: GateListener | null = null
  #answerTokens: AnswerTokens | null = null
  #sandbox: Pick<Sandbox, 'executableOf'> | null = null
  #steps = 0
  #substituting: Promise<unknown> = Promise.resolve()
  /** Whose gate it has become. */
  #owner: JobGate = this
  #open: { readonly step: string; readonly source: string; readonly asksTokens: boolean; isClosing: boolean } | null = null

  /** `access` may still be on its way: the gate is started without it, and waits for it. */
  constructor(access: GateAccess | Promise<GateAccess>) {
    this.#config = Promise.resolve(access).then(({ gate, bytesOutMax }) => ({ ...gate, limits: { ...LIMITS, bytesOut: bytesOutMax } }))
    this.lost = this.#lost.promise
    const reach = this.#config.then(reachOf)
    // Told to whoever prepares the sandbox, and to whoever waits for the access.
    for (const promise of [this.#ready.promise, this.#config, reach]) promise.catch(() => undefined)
    this.launch = { ...gateProgram(), reach, attach: (control) => this.#attach(control), ready: this.#ready.promise }
  }

  /**
   * Instead of a start: the gate of a sandbox that has waited, configured as this one's would be, which has had no doors open yet, becomes this one's.
   * Afterwards the other one is of no use.
   */
  become(waiting: JobGate): void {
    if (this.#client !== null || waiting.#client === null || waiting.#owner !== waiting || waiting.#steps > 0)
      throw new TypeError('this gate is in use')
    waiting.#owner = this
    this.#client = waiting.#client
    this.#sandbox = waiting.#sandbox
    this.#readyMs = waiting.#readyMs
    this.#ready.resolve(waiting.#ready.promise)
    this.#lost.resolve(waiting.lost)
  }

  /** From its start to its first answer; null before that. */
  get readyMs(): number | null {
    return this.#readyMs
  }

  /** PEM of the authority that the job has to trust, or null. @throws GateError GATE_LOST. */
  async authority(): Promise<string | null> {
    return (await this.#ready.promise).authority
  }

  /** Before the first step. */
  listen(listener: GateListener): void {
    this.#listener = listener
  }

  /** Before the first step that may ask. */
  answerTokens(answer: AnswerTokens): void {
    this.#answerTokens = answer
  }

  /** The sandbox that the gate belongs to; asked which program has a connection. */
  bind(sandbox: Pick<Sandbox, 'executableOf'>): void {
    this.#sandbox = sandbox
  }

  #attach(control: Duplex): void {
    const client = new GateClient(
      control,
      {
        used: (step, door) => this.#owner.#listenerOf(step)?.used(step, door),
        refused: (step, refusal) => this.#owner.#listenerOf(step)?.refused(step, refusal),
        alert: (step, alert) => this.#owner.#listenerOf(step)?.alert(step, alert),
        whose: async (step, port) => this.#owner.#sandbox?.executableOf(step, port) ?? null,
        token: async (step, question) => this.#owner.#tokenFor(step, question),
      },
      { answerMs: ANSWER_MS },
    )
    this.#client = client
    this.#ready.resolve(this.#configure(client))
    this.#lost.resolve(client.lost)
  }

  /** A gate that its job has taken over speaks for the step that runs, and for no other. */
  async #tokenFor(step: string, question: TokenQuestion): Promise<TokenAnswer | null> {
    const open = this.#open
    if (open === null || open.isClosing || open.step !== step || !open.asksTokens) return null
    return (await this.#answerTokens?.(question, open.source)) ?? null
  }

  async #configure(client: GateClient): Promise<{ readonly authority: string | null }> {
    const start = performance.now()
    const answer = await client.configure(await this.#config)
    this.#readyMs = performance.now() - start
    return answer
  }

  /** What the gate says of any other step is nobody's: the self-check's attempts, or a gate that its job has taken over. */
  #listenerOf(step: string): GateListener | null {
    return step === this.#open?.step ? this.#listener : null
  }

  /**
   * Before a step is started; one at a time. What it may reach is what every set allows.
   * @throws GateError GATE_LOST; SandboxError SANDBOX_INPUT when the sets ask for too many UDP destinations.
   */
  async openStep(step: string, sets: readonly RuleSet[], extras: DoorExtras = {}): Promise<StepNetwork> {
    if (this.#open !== null) throw new TypeError(`the doors of step "${this.#open.step}" are still open`)
    // Fails closed: what nobody has a say in would be allowed by everybody.
    if (sets.length === 0) throw new TypeError('a step without rule sets')
    const relays = relaysOf(sets)
    this.#steps += 1
    const source = stepSource(this.#steps)
    const { substitutions = [], signings = [], honeytokens = [], asksTokens = false, awaitsSubstitutions = false } = extras
    this.#open = { step, source, asksTokens, isClosing: false }
    await this.#attached.openStep({ step, source, sets, substitutions, signings, honeytokens, relays, asksTokens, awaitsSubstitutions })
    return { source, relays: relays.map(({ index, port }) => ({ index, port })) }
  }

  /** For the step whose doors are open, by its source; false when they are not. One after the other. @throws GateError GATE_LOST */
  substitute(source: string, substitution: Substitution): Promise<boolean> {
    const done = this.#substituting.then(async () => {
      const open = this.#open
      if (open === null || open.isClosing || open.source !== source) return false
      return this.#attached.substitute(open.step, substitution)
    })
    this.#substituting = done.catch(() => undefined)
    return done
  }

  /** At the step's end, however it ended. Null when the gate is gone, whose end has shut every door, or when none is open. */
  async closeStep(): Promise<StepTraffic | null> {
    const open = this.#open
    if (open === null || open.isClosing) return null
    open.isClosing = true
    try {
      return await this.#attached.closeStep(open.step)
    } catch (error) {
      if (error instanceof GateError) return null
      throw error
    } finally {
      this.#open = null
    }
  }

  /** Whether a packet was sent by the step whose doors are open, rather than by what an earlier one left running. */
  isOfOpenStep(packet: RefusedPacket): boolean {
    return packet.source !== null && packet.source === this.#open?.source
  }

  get #attached(): GateClient {
    if (this.#client === null) throw new TypeError('the gate was not started')
    return this.#client
  }
}
