// SPDX-License-Identifier: Apache-2.0
import { GIVEN, type GrantDecision, type SecretDeclaration, type SecretDelivery, type SigningRule } from '@sallyport/access'
import { messageOf, SallyportError } from '@sallyport/core'
import type { Signing, Substitution } from '@sallyport/gate'
import type { StepFile } from '@sallyport/sandbox'
import { type Ended, type JobFacts, type Read, type SecretAddress, SecretsError } from '@sallyport/secrets'
import { describeUnmasked } from '../run/mask-secrets.ts'
import { awsDocument, awsKeyOf, awsPlaceholder, awsVariables } from './aws-key.ts'
import type { Process } from './marks.ts'
import { placeholderFor } from './placeholder.ts'
import type { RunSecrets } from './run-secrets.ts'
import { secretFile } from './secret-file.ts'

type Granted = Extract<GrantDecision, { granted: true }>

export interface JobSecretsParts {
  /** The job's key, and its id in the workflow. */
  readonly key: string
  readonly id: string
  readonly identity: JobFacts
  /** As long as the job can last. */
  readonly ttlMs: number
  readonly report: (type: string, data: Readonly<Record<string, unknown>>, step: string) => void
  /** A token by which the provider knows the job; null where it asks for none. */
  readonly tokenFor: (provider: string, step: string) => Promise<string | null>
  /** For the summary. */
  readonly refuse: (step: string, detail: string) => void
  /** What was reported until now is on record, where hand-overs have to be. */
  readonly recorded: () => Promise<void>
}

/** What a step is started with. */
export interface Handed extends Process {
  readonly files: readonly StepFile[]
  readonly substitutions: readonly Substitution[]
  readonly signings: readonly Signing[]
}

export interface HandedSecret {
  readonly name: string
  readonly delivery: SecretDelivery['kind']
}

/** The secrets of one job: decided, read, delivered and ended step by step. */
export class JobSecrets {
  readonly #run: RunSecrets
  readonly #parts: JobSecretsParts
  /** Resolves once the broker knows the job; null before its first read. */
  #opened: Promise<void> | null = null
  /** Providers that know the job: they need no further token. */
  readonly #known = new Set<string>()
  readonly handed: (HandedSecret & { readonly step: string })[] = []

  constructor(run: RunSecrets, parts: JobSecretsParts) {
    this.#run = run
    this.#parts = parts
  }

  /**
   * The step's process with what it was granted in place of the marks. Decided and on record before anything is read; read when the step starts, and not
   * before.
   *
   * @throws SecretsError: the step must not start
   */
  async hand(step: string, stepId: string | null, process: Process): Promise<Handed> {
    const names = [...new Set([...this.#run.marks.namesIn(process), ...this.#run.namesGrantedTo(this.#parts.id, stepId)])]
    const granted = names.flatMap((name) => this.#decide(step, stepId, name) ?? [])
    if (granted.length > 0) await this.#parts.recorded()
    const deliveries = await Promise.all(granted.map((each, index) => this.#deliver(step, each, index)))
    const texts = new Map(deliveries.map(({ name, text }) => [name, text]))
    const replaced = this.#run.marks.replace(process, texts)
    return {
      ...replaced,
      env: Object.assign({}, replaced.env, ...deliveries.map(({ variables }) => variables)),
      files: deliveries.flatMap(({ files }) => files),
      substitutions: deliveries.flatMap(({ substitutions }) => substitutions),
      signings: deliveries.flatMap(({ signings }) => signings),
    }
  }

  /** Of the supervisor's own use, which was decided: no step gets it. On record before it is read. */
  announce({ name, from, path, version }: SecretDeclaration): void {
    this.#parts.report('secret.granted', { name, delivery: 'publish', provider: from, path, version }, '')
  }

  /** What was announced; `endStep('')` ends it. @throws SecretsError */
  async readOwn(declaration: SecretDeclaration): Promise<Buffer> {
    return this.#valueOf(declaration.name, declaration.field, await this.#read('', declaration))
  }

  #decide(step: string, stepId: string | null, name: string): Granted | null {
    const decision = this.#run.decide(this.#parts.id, stepId, name)
    if (!decision.granted) {
      const { code, reason, rule, remedy } = decision
      this.#parts.report('secret.denied', { name, stepId, code, reason, rule, remedy }, step)
      this.#parts.refuse(step, `${name}: ${reason}${remedy === null ? '' : `; ${remedy}`}`)
      return null
    }
    const { grant, declaration } = decision
    const { from, path, version } = declaration
    this.#parts.report('secret.granted', { name, stepId, delivery: grant.delivery.kind, provider: from, path, version }, step)
    this.handed.push({ name, step, delivery: grant.delivery.kind })
    return decision
  }

  async #deliver(step: string, granted: Granted, index: number): Promise<Delivered> {
    const { grant, declaration } = granted
    const read = await this.#read(step, declaration)
    const { delivery } = grant
    if (delivery.kind === 'placeholder' && 'aws' in delivery.in)
      return this.#deliverKey(granted, { ...delivery, aws: delivery.in.aws }, read)
    const value = this.#valueOf(declaration.name, declaration.field, read)
    const delivered = deliver(granted, value, index)
    for (const bytes of read.fields.values()) if (bytes !== value || delivered.files.length === 0) bytes.fill(0)
    const variables = grant.as === null ? {} : { [grant.as]: delivered.text }
    return { ...delivered, name: declaration.name, variables, signings: [] }
  }

  /** A key of AWS is never one text: the step gets all of a worthless one. */
  #deliverKey(
    { declaration }: Granted,
    { aws, methods, paths }: Pick<SigningRule, 'aws' | 'methods' | 'paths'>,
    { fields }: Read,
  ): Delivered {
    const { name, field, hosts } = declaration
    const value = awsKeyOf(name, field === null ? fields : new Map([[field, this.#valueOf(name, field, { fields })]]))
    for (const part of Object.values(value)) if (part !== null) this.#run.mask(Buffer.from(part))
    for (const bytes of fields.values()) bytes.fill(0)
    const placeholder = awsPlaceholder(value)
    const signings = [{ rule: { name, hosts, aws, methods, paths }, placeholder, value }]
    return { name, text: awsDocument(placeholder), variables: awsVariables(placeholder), files: [], substitutions: [], signings }
  }

  async #read(step: string, declaration: SecretDeclaration): Promise<Read> {
    const { name, from, path, field, version, parameters } = declaration
    try {
      const read = from === GIVEN ? this.#run.given(name) : await this.#ask(step, from, { path: path ?? '', field, version, parameters })
      this.#maskAll(step, name, read)
      const expires = read.expiresAtMs === null ? null : new Date(read.expiresAtMs).toISOString()
      const created = read.createdAtMs === null ? null : new Date(read.createdAtMs).toISOString()
      this.#parts.report('secret.read', { name, provider: from, path, field, version: read.version, created, expires }, step)
      return read
    } catch (error) {
      const code = error instanceof SallyportError ? error.code : 'INTERNAL'
      this.#parts.report('secret.failed', { name, provider: from, code, message: messageOf(error) }, step)
      throw error
    }
  }

  async #ask(step: string, from: string, address: SecretAddress): Promise<Read> {
    const { key, identity, ttlMs, tokenFor } = this.#parts
    const broker = await this.#run.broker
    this.#opened ??= broker.openJob(key, identity, ttlMs)
    await this.#opened
    const token = this.#known.has(from) ? null : await tokenFor(from, step)
    const read = await broker.read({ job: key, step, provider: from, address, token })
    this.#known.add(from)
    return read
  }

  /** Every field, not only the one that is handed over: a program that gets one may know the others. */
  #maskAll(step: string, name: string, { fields }: Read): void {
    for (const bytes of fields.values()) {
      const result = this.#run.mask(bytes)
      if (result.masked || result.reason === 'empty') continue
      this.#parts.report('step.warning', { message: describeUnmasked({ name, reason: result.reason }) }, step)
    }
  }

  #valueOf(name: string, field: string | null, { fields }: Pick<Read, 'fields'>): Buffer {
    const only = fields.size === 1 ? [...fields.values()][0] : undefined
    const value = field === null ? (only ?? fields.get('value')) : fields.get(field)
    if (value !== undefined) return value
    const known = [...fields.keys()].sort().join(', ')
    throw new SecretsError(
      'SECRET_FIELD_MISSING',
      `Cannot hand over the secret ${name}: ${field === null ? 'it has several fields' : `it has no field "${field}"`}`,
      {
        hint: `Write path: PATH#FIELD; there is ${known}`,
      },
    )
  }

  /** After the step, however it ended. Never rejects: what could not be ended is told. */
  endStep(step: string): Promise<void> {
    return this.#endWith(step, (broker) => broker.endStep(this.#parts.key, step))
  }

  /** After the job. */
  async end(): Promise<void> {
    await this.#endWith('', (broker) => broker.endJob(this.#parts.key))
  }

  async #endWith(step: string, end: (broker: Awaited<RunSecrets['broker']>) => Promise<Ended>): Promise<void> {
    if (this.#opened === null) return
    try {
      const { revoked, unrevoked } = await end(await this.#run.broker)
      if (revoked > 0) this.#parts.report('secret.revoked', { count: revoked }, step)
      for (const { provider, message, untilMs } of unrevoked)
        this.#parts.report('secret.unrevoked', { provider, message, until: new Date(untilMs).toISOString() }, step)
    } catch (error) {
      this.#parts.report('secret.unrevoked', { provider: null, message: messageOf(error), until: null }, step)
    }
  }
}

interface Delivered {
  readonly name: string
  readonly variables: Readonly<Record<string, string>>
  /** What stands in the step where the workflow names the secret. */
  readonly text: string
  readonly files: readonly StepFile[]
  readonly substitutions: readonly Substitution[]
  readonly signings: readonly Signing[]
}

function deliver({ grant, declaration }: Granted, value: Buffer, index: number): Pick<Delivered, 'text' | 'files' | 'substitutions'> {
  const { delivery } = grant
  switch (delivery.kind) {
    case 'env':
      return { text: value.toString(), files: [], substitutions: [] }
    case 'file':
    case 'fd': {
      const { path, file } = secretFile(delivery.kind, { name: declaration.name, value, index })
      return { text: path, files: [file], substitutions: [] }
    }
    case 'placeholder': {
      const text = value.toString()
      const placeholder = placeholderFor(text)
      const { in: place, methods, paths } = delivery
      if ('aws' in place) throw new TypeError('a key of AWS is not one text')
      const rule = { name: declaration.name, hosts: declaration.hosts, in: place, methods, paths }
      return { text: placeholder, files: [], substitutions: [{ rule, placeholder, value: text }] }
    }
  }
}
