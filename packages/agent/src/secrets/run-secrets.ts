// SPDX-License-Identifier: Apache-2.0
import {
  type AccessFile,
  decideSecret,
  GIVEN,
  type GrantDecision,
  type GrantFacts,
  type OperatorFile,
  type SecretDeclaration,
  type SecretGrant,
} from '@sallyport/access'
import { messageOf } from '@sallyport/core'
import type { SecretSet } from '@sallyport/redaction'
import type { BrokerClient, BrokerEvent, Ended, Read } from '@sallyport/secrets'
import { AgentError } from '../agent-error.ts'
import { hasAbandonedLeases, leaseDirectory } from './lease-directory.ts'
import { Marks } from './marks.ts'
import { providersOf, STORE } from './providers.ts'

export interface RunSecretsParts {
  /** As far as it was approved; null where there is none. */
  readonly file: AccessFile | null
  readonly operator: OperatorFile | null
  readonly facts: GrantFacts
  /** Values of the command line, by upper-case name. */
  readonly given: Readonly<Record<string, string>>
  readonly masks: SecretSet
  readonly stateDirectory: string
  readonly runId: string
  /** What the broker tells by itself, and what it ended of earlier runs. */
  readonly observe: (
    event: BrokerEvent | ({ readonly kind: 'swept' } & Ended) | { readonly kind: 'not-swept'; readonly message: string },
  ) => void
}

/** The secrets of one run: who may have which, and the broker that reads them. */
export class RunSecrets implements AsyncDisposable {
  readonly #parts: RunSecretsParts
  readonly marks: Marks
  #broker: Promise<BrokerClient> | null = null
  #sweeping: Promise<void> = Promise.resolve()

  constructor(parts: RunSecretsParts) {
    this.#parts = parts
    this.marks = new Marks(this.#declared.map(({ name }) => name))
    // An output or a name that holds one would hold the value.
    for (const mark of Object.values(this.marks.values)) parts.masks.add(mark)
  }

  get #declared(): readonly SecretDeclaration[] {
    return this.#parts.file?.secrets ?? []
  }

  /** What the engine may know: marks of declared secrets, and the values of those that only the command line has. */
  get values(): Readonly<Record<string, string>> {
    return { ...this.#parts.given, ...this.marks.values }
  }

  /** Before the first job: the broker takes a while to start, and what an earlier one has left is to end. @throws AgentError SECRET_PROVIDER_UNKNOWN, SECRET_MISSING */
  async begin(): Promise<void> {
    for (const declaration of this.#granted) this.#assertThere(declaration)
    const needsBroker = this.#granted.some(({ from }) => from !== GIVEN)
    const hasLeft = await hasAbandonedLeases(this.#parts.stateDirectory)
    if (!needsBroker && !hasLeft) return
    const broker = this.#start()
    // Whoever reads is told of a broker that does not start. A sweep that fails is tried by the next run, too.
    this.#sweeping = broker
      .then(async (client) => {
        if (hasLeft) this.#parts.observe({ kind: 'swept', ...(await client.sweep()) })
      })
      .catch((error: unknown) => this.#parts.observe({ kind: 'not-swept', message: messageOf(error) }))
  }

  /** What earlier runs have left is ended, or was tried. A broker that goes before ends nothing of it, and short runs could follow each other for ever. */
  get swept(): Promise<void> {
    return this.#sweeping
  }

  /** Of the secrets that some step is granted. */
  get providersUsed(): readonly string[] {
    return this.#granted.map(({ from }) => from)
  }

  /** Those that some step is granted, or an artifact is published with. */
  get #granted(): readonly SecretDeclaration[] {
    const names = new Set(
      this.#parts.file?.jobs.flatMap(({ steps, publish }) => [
        ...steps.flatMap((step) => step.secrets.map(({ secret }) => secret)),
        ...publish.flatMap(({ credential }) => credential?.secret ?? []),
      ]),
    )
    return this.#declared.filter(({ name }) => names.has(name))
  }

  #assertThere({ name, from, at }: SecretDeclaration): void {
    const { given, operator } = this.#parts
    const place = `${at.file}:${at.line}`
    if (from === GIVEN) {
      if (Object.hasOwn(given, name)) return
      throw new AgentError('SECRET_NOT_GIVEN', `Cannot hand over the secret ${name} (${place}): nobody has given it`, {
        hint: `Give it with --secret ${name}, or say where it is: from and path`,
      })
    }
    if (from === STORE || operator?.providers.some((provider) => provider.name === from)) return
    throw new AgentError('SECRET_PROVIDER_UNKNOWN', `Cannot read the secret ${name} (${place}): there is no provider "${from}"`, {
      hint: 'Providers stand in the operator’s file, under providers; "store" is the embedded one',
    })
  }

  /** Whether any may come to this job. */
  reaches(job: string): boolean {
    const { given, file } = this.#parts
    const ofJob = file?.jobs.find(({ id }) => id === job)
    return Object.keys(given).length > 0 || ofJob?.steps.some(({ secrets }) => secrets.length > 0) === true
  }

  isDeclared(name: string): boolean {
    return this.#declared.some((declaration) => declaration.name === name)
  }

  decide(job: string, step: string | null, secret: string): GrantDecision {
    const { file, operator, facts } = this.#parts
    if (file === null) throw new TypeError('a secret that nobody has declared')
    return decideSecret({ file, operator, job, step, secret, facts })
  }

  /** Names that the file grants to a step, whether its workflow names them or not. */
  namesGrantedTo(job: string, step: string | null): readonly string[] {
    const ofJob = this.#parts.file?.jobs.find(({ id }) => id === job)
    const ofStep = step === null ? undefined : ofJob?.steps.find(({ id }) => id === step)
    const names = ({ as, delivery }: SecretGrant): boolean => as !== null || (delivery.kind === 'placeholder' && 'aws' in delivery.in)
    return (ofStep?.secrets ?? []).filter(names).map(({ secret }) => secret)
  }

  /** The broker, for whoever reads. @throws SecretsError */
  get broker(): Promise<BrokerClient> {
    return this.#start()
  }

  given(name: string): Read {
    const value = this.#parts.given[name]
    if (value === undefined) throw new TypeError('a secret that was not given')
    return { fields: new Map([['value', Buffer.from(value)]]), version: null, createdAtMs: null, expiresAtMs: null }
  }

  /** Masked from here on, in every sink. */
  mask(value: Buffer): ReturnType<SecretSet['add']> {
    return this.#parts.masks.add(value.toString())
  }

  #start(): Promise<BrokerClient> {
    this.#broker ??= this.#startBroker()
    return this.#broker
  }

  async #startBroker(): Promise<BrokerClient> {
    const { startBroker } = await import('@sallyport/secrets')
    const { operator, stateDirectory, runId, observe } = this.#parts
    const config = { providers: providersOf(operator, stateDirectory), leaseDirectory: leaseDirectory(stateDirectory), run: runId }
    return startBroker(config, { event: observe })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const broker = await this.#broker?.catch(() => null)
    await this.#sweeping
    await broker?.[Symbol.asyncDispose]()
  }
}
