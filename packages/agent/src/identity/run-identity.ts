// SPDX-License-Identifier: Apache-2.0
import { type AccessFile, decideIdentity, type GrantFacts, type IdentityDecision, type OperatorFile } from '@sallyport/access'
import { JOB_NETWORK } from '@sallyport/core'
import type { IdentityError, Minted, MintRequest, TokenEndpoint, TokenEndpointOptions, TokenMinter } from '@sallyport/identity'
import type { SecretSet } from '@sallyport/redaction'
import { tokenAudienceOf } from '@sallyport/secrets'
import { AgentError } from '../agent-error.ts'

export interface RunIdentityParts {
  /** As far as it was approved; null where there is none. */
  readonly file: AccessFile | null
  readonly operator: OperatorFile | null
  readonly facts: GrantFacts
  readonly masks: SecretSet
  readonly stateDirectory: string
}

/** Where the steps of every job ask for their tokens. */
const TOKEN_URL = `http://${JOB_NETWORK.tokenHost}/token`

/** Each is masked until the end of the run, and about 1,600 can be: what is left is for secrets. */
const TOKENS_MAX = 1000

interface Issuing {
  readonly minter: TokenMinter & Disposable
  readonly library: typeof import('@sallyport/identity')
}

/** The identity tokens of one run: who may have which, and the process that signs them. It is started for runs that need one. */
export class RunIdentity implements Disposable {
  readonly #parts: RunIdentityParts
  #issuing: Issuing | null = null
  #tokens = 0

  constructor(parts: RunIdentityParts) {
    this.#parts = parts
  }

  /**
   * Before the first job. `providers`: of the secrets that steps are granted.
   * @throws AgentError IDENTITY_NOT_CONFIGURED; IdentityError, StoreError of the minter.
   */
  async begin(providers: readonly string[]): Promise<void> {
    const need = this.#need(providers)
    if (need === null) return
    const { operator, facts, stateDirectory } = this.#parts
    if (operator === null || operator.identity === null)
      throw new AgentError('IDENTITY_NOT_CONFIGURED', `Cannot issue identity tokens: ${need} asks for them, and no issuer is named`, {
        hint: `Add it to the operator’s file${operator === null ? '' : ` "${operator.source}"`}: identity: { issuer: https://ci.example.test }`,
      })
    // Nothing is ever minted for what an outsider wrote.
    if (facts.isForkPullRequest) return
    const library = await import('@sallyport/identity')
    const minter = await library.startMinter(library.identityDirectory(stateDirectory), operator.identity.issuer)
    this.#issuing = { minter, library }
  }

  /** What needs an issuer first, as `file:line`; null: nothing. */
  #need(providers: readonly string[]): string | null {
    const grants = this.#parts.file?.jobs.flatMap(({ steps }) => steps.flatMap(({ identity }) => identity ?? [])) ?? []
    const at = grants[0]?.at ?? this.#parts.operator?.providers.find(({ name }) => providers.includes(name) && this.audienceOf(name))?.at
    return at === undefined ? null : `${at.file}:${at.line}`
  }

  /** Null: the provider is told nothing of who a job is. */
  audienceOf(provider: string): string | null {
    const entry = this.#parts.operator?.providers.find(({ name }) => name === provider)
    return entry === undefined ? null : tokenAudienceOf(entry)
  }

  decide(job: string, step: string | null): IdentityDecision {
    const { file, operator, facts } = this.#parts
    return decideIdentity({ file, operator, job, step, facts })
  }

  /** A token that is masked in every sink from here on. @throws IdentityError, IDENTITY_LIMIT too */
  async mint(request: MintRequest): Promise<Minted> {
    const { minter } = this.#open
    this.#tokens += 1
    if (this.#tokens > TOKENS_MAX) throw this.#tooMany()
    const minted = await minter.mint({ ...request, lifetimeS: this.#lifetimeS(request) })
    this.mask(minted.token)
    return minted
  }

  /** What was asked for is within what the operator allows; without a word it is cut to it. */
  #lifetimeS({ lifetimeS }: MintRequest): number {
    const { LIFETIME_S } = this.#open.library
    const most = this.#parts.operator?.identity?.lifetimeMaxS ?? LIFETIME_S.max
    return Math.min(lifetimeS ?? LIFETIME_S.default, most)
  }

  /** @throws IdentityError IDENTITY_LIMIT: what cannot be masked is not handed out. */
  mask(value: string): void {
    if (!this.#parts.masks.add(value).masked) throw this.#tooMany()
  }

  #tooMany(): IdentityError {
    const { IdentityError: Failure } = this.#open.library
    return new Failure('IDENTITY_LIMIT', 'Cannot hand out an identity token: the run has had as many as can be masked', {
      hint: 'Ask for a token less often: one is good for minutes',
    })
  }

  /** For one job. */
  endpoint({ observe, deliver }: Pick<TokenEndpointOptions, 'observe' | 'deliver'>): TokenEndpoint {
    const { TokenEndpoint: Endpoint } = this.#open.library
    return new Endpoint({ url: TOKEN_URL, minter: this, observe, deliver, nowMs: () => performance.now() })
  }

  get #open(): Issuing {
    if (this.#issuing === null) throw new TypeError('a run without an issuer')
    return this.#issuing
  }

  [Symbol.dispose](): void {
    this.#issuing?.minter[Symbol.dispose]()
  }
}
