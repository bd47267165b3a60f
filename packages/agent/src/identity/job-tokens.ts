// SPDX-License-Identifier: Apache-2.0
import type { AudienceGrant, IdentityGrant } from '@sallyport/access'
import type { Substitution, TokenAnswer, TokenQuestion } from '@sallyport/gate'
import type { GateDelivery, JobIdentity, StepGrant, StepTokens, TokenEndpoint } from '@sallyport/identity'
import type { RunIdentity } from './run-identity.ts'

export interface JobTokensParts {
  /** The job's id in the workflow. */
  readonly id: string
  /** `step`: its id in the workflow. */
  readonly identityOf: (step: string) => JobIdentity
  readonly report: (type: string, data: Readonly<Record<string, unknown>>, step?: string) => void
  /** For the summary. */
  readonly refuse: (step: string, detail: string) => void
  /** To the gate, for the step of this source; false where its doors are not open. */
  readonly substitute: (source: string, substitution: Substitution) => Promise<boolean>
  /** What was reported until now is on record, where tokens have to be before they go out. */
  readonly recorded: () => Promise<void>
}

/** A step as the engine numbers it, with its id in the workflow. */
export interface NamedStep {
  readonly step: string
  readonly id: string
}

/** The identity tokens of one job: which step may ask for them while it runs, and what the broker shows providers in the job's name. */
export class JobTokens {
  readonly #run: RunIdentity
  readonly #parts: JobTokensParts
  #endpoint: TokenEndpoint | null = null
  #open: { readonly step: string; readonly tokens: StepTokens; readonly audiences: readonly AudienceGrant[] } | null = null

  constructor(run: RunIdentity, parts: JobTokensParts) {
    this.#run = run
    this.#parts = parts
  }

  /** Null: the step may ask for none. What it was denied is on record. */
  decide(step: string, id: string | null): IdentityGrant | null {
    const decision = this.#run.decide(this.#parts.id, id)
    if (decision.granted) {
      const { at } = decision.grant
      const audiences = decision.grant.audiences.map(({ audience }) => audience)
      this.#parts.report('identity.granted', { audiences, rule: `${at.file}:${at.line}` }, step)
      return decision.grant
    }
    const { code, reason, rule } = decision
    if (code === 'none') return null
    this.#parts.report('identity.denied', { code, reason, rule }, step)
    this.#parts.refuse(step, reason)
    return null
  }

  /** From now on what comes from this source is the step's. What its environment has to say; `close` ends it. */
  open({ step, id }: NamedStep, { audiences }: IdentityGrant, source: string): Readonly<Record<string, string>> {
    this.#endpoint ??= this.#run.endpoint({
      observe: ({ type, data }) => this.#record(type, data),
      deliver: (delivery) => this.#deliver(delivery),
    })
    const grant = { identity: this.#parts.identityOf(id), audiences: audiences.map(asked) }
    const tokens = this.#endpoint.open(source, grant)
    this.#run.mask(tokens.requestToken)
    this.#open = { step, tokens, audiences }
    return { ACTIONS_ID_TOKEN_REQUEST_URL: tokens.url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: tokens.requestToken }
  }

  /** After the step, however it ended. */
  close(): void {
    // What it still has to tell is told of this step.
    this.#open?.tokens[Symbol.dispose]()
    this.#open = null
  }

  /** What the gate was asked. Untrusted, but for the source. Rejects where it cannot be recorded: nothing goes out then. */
  async answer({ method, target, authorization }: TokenQuestion, source: string): Promise<TokenAnswer | null> {
    const header = (name: string): string | null => (name === 'authorization' ? authorization : null)
    return (await this.#endpoint?.handle({ method, target, header }, source)) ?? null
  }

  /** A token by which a provider of secrets knows the job; null where it asks for none. @throws IdentityError */
  async forProvider(provider: string, { step, id }: NamedStep): Promise<string | null> {
    const audience = this.#run.audienceOf(provider)
    if (audience === null) return null
    const minted = await this.#run.mint({ identity: this.#parts.identityOf(id), audience })
    const { algorithm, kid, jti, subject } = minted
    const expiresAt = new Date(minted.expiresAtS * 1000).toISOString()
    this.#parts.report('identity.minted', { audience, as: 'provider', provider, algorithm, kid, jti, subject, expiresAt }, step)
    await this.#parts.recorded()
    return minted.token
  }

  /** The gate knows what the placeholder means before the step has it. @throws GateError; and where the step ends meanwhile, nobody gets anything */
  async #deliver({ source, audience, placeholder, token }: GateDelivery): Promise<void> {
    const place = this.#open?.audiences.find((each) => each.audience === audience)?.placeholder ?? null
    if (place === null) throw new TypeError('a placeholder for an audience that has no place for it')
    await this.#parts.substitute(source, { rule: { name: `the token for ${audience}`, ...place }, placeholder, value: token })
  }

  async #record(type: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    this.#parts.report(type, data, this.#open?.step)
    await this.#parts.recorded()
  }
}

function asked({ audience, placeholder, algorithm, lifetimeS }: AudienceGrant): StepGrant['audiences'][number] {
  return {
    audience,
    as: placeholder === null ? 'token' : 'placeholder',
    ...(algorithm !== null && { algorithm }),
    ...(lifetimeS !== null && { lifetimeS }),
  }
}
