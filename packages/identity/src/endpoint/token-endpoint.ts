// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { printable } from '@sallyport/core'
import { audience as audienceRule } from '../claims/parse-claim.ts'
import type { Minted } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import type { AudienceGrant, RefusalReason, StepGrant, StepTokens, TokenEndpointOptions, TokenRequest, TokenResponse } from './contract.ts'
import { parseTokenRequest } from './parse-request.ts'
import { RequestBudget } from './request-budget.ts'

const TOKEN_BYTES = 32
/** Of what a job chose, in an event. */
const TOLD_LENGTH_MAX = 255

interface OpenStep {
  readonly source: string
  readonly grant: StepGrant
  readonly tokenHash: Buffer
  readonly budget: RequestBudget
}

/**
 * Where the steps of one job ask for identity tokens, as GitHub's clients do. It opens no socket: the gate hands it each request with the source that
 * it came from, which the kernel wrote and no job can choose. A request token is worth nothing from any other source.
 *
 * `handle` may be called concurrently.
 */
export class TokenEndpoint {
  readonly #options: TokenEndpointOptions
  readonly #path: string
  readonly #steps = new Map<string, OpenStep>()
  /** One for all sources without a grant: they are as many as a job likes. */
  readonly #strangers: RequestBudget

  constructor(options: TokenEndpointOptions) {
    this.#options = options
    this.#path = new URL(options.url).pathname
    this.#strangers = new RequestBudget(options.nowMs)
  }

  /** From now on the step of this source may ask. A source has one grant at a time. @throws TypeError for a grant that cannot be kept. */
  open(source: string, grant: StepGrant): StepTokens {
    assertGrant(grant, this.#options.deliver !== null)
    if (this.#steps.has(source)) throw new TypeError(`the source ${source} has a grant already`)
    const requestToken = randomBytes(TOKEN_BYTES).toString('base64url')
    const step = { source, grant, tokenHash: hashOf(requestToken), budget: new RequestBudget(this.#options.nowMs) }
    this.#steps.set(source, step)
    const close = (): void => {
      if (this.#steps.get(source) !== step) return
      this.#steps.delete(source)
      // A record that cannot be written any more fails the run where it is waited for
      void this.#tellDropped(step, source).catch(() => undefined)
    }
    // Clients append `&audience=…`
    return { url: `${this.#options.url}?api-version=2.0`, requestToken, [Symbol.dispose]: close }
  }

  /** Untrusted: the request; `source` is not. Rejects with what `observe` and `deliver` reject with: the job gets no answer then. */
  async handle(request: TokenRequest, source: string): Promise<TokenResponse> {
    const step = this.#steps.get(source)
    const budget = step?.budget ?? this.#strangers
    if (!budget.take()) return this.#tooMany(step, source)
    await this.#tellDropped(step, source)
    const parsed = parseTokenRequest(request, this.#path)
    if ('status' in parsed) return this.#refuse(step, { source, reason: 'malformed', ...parsed })
    if (step === undefined)
      return this.#refuse(step, { source, reason: 'no-grant', status: 403, message: 'this step may ask for no token' })
    const hash = hashOf(parsed.bearer)
    if (!timingSafeEqual(hash, step.tokenHash)) {
      const reason = this.#isOfAnother(hash) ? 'foreign-token' : 'wrong-token'
      return this.#refuse(step, { source, reason, status: 401, message: 'that is not the request token of this step' })
    }
    const granted = grantedAudience(step.grant, parsed.audience)
    if (granted === null) {
      const message =
        parsed.audience === null ? 'name an audience: this step has several' : 'this step may ask for no token for that audience'
      return this.#refuse(step, { source, reason: 'audience-not-granted', status: 403, message, audience: parsed.audience })
    }
    return this.#mint(step, granted)
  }

  async #mint(step: OpenStep, granted: AudienceGrant): Promise<TokenResponse> {
    const { source, grant } = step
    const { audience, as } = granted
    const minted = await this.#options.minter.mint({ identity: grant.identity, ...granted }).catch(asIdentityError)
    if (minted instanceof IdentityError)
      return this.#refuse(step, {
        source,
        reason: 'mint-failed',
        status: 500,
        message: 'the token could not be made',
        audience,
        cause: minted,
      })
    const { kid, algorithm, jti, subject, expiresAtS } = minted
    const expiresAt = new Date(expiresAtS * 1000).toISOString()
    await this.#tell('identity.minted', step, { audience, as, algorithm, kid, jti, subject, expiresAt })
    if (this.#isOpen(step)) await this.#deliver(step, granted, minted)
    if (!this.#isOpen(step))
      return this.#refuse(step, { source, reason: 'step-ended', status: 403, message: 'the step has ended', audience })
    const value = minted.placeholder ?? minted.token
    return answer(200, { count: value.length, value })
  }

  async #deliver({ source }: OpenStep, { audience }: AudienceGrant, { placeholder, token, expiresAtS }: Minted): Promise<void> {
    if (placeholder !== null) await this.#options.deliver?.({ source, audience, placeholder, token, expiresAtS })
  }

  #isOpen(step: OpenStep): boolean {
    return this.#steps.get(step.source) === step
  }

  #isOfAnother(hash: Buffer): boolean {
    return [...this.#steps.values()].some(({ tokenHash }) => timingSafeEqual(tokenHash, hash))
  }

  /** The first of them is told at once; telling each would let a job fill the journal. */
  async #tooMany(step: OpenStep | undefined, source: string): Promise<TokenResponse> {
    const budget = step?.budget ?? this.#strangers
    if (budget.isFirstDropped()) await this.#tell('identity.refused', step, { reason: 'too-many', source })
    return answer(429, { message: 'too many requests' })
  }

  async #tellDropped(step: OpenStep | undefined, source: string): Promise<void> {
    const dropped = (step?.budget ?? this.#strangers).takeDropped()
    if (dropped > 1) await this.#tell('identity.refused', step, { reason: 'too-many', source, requests: dropped - 1 })
  }

  async #refuse(step: OpenStep | undefined, { source, reason, status, message, audience = null, cause }: Refusal): Promise<TokenResponse> {
    const told = audience === null ? {} : { audience: printable(audience.slice(0, TOLD_LENGTH_MAX)) }
    const why = cause === undefined ? {} : { code: cause.code, message: cause.message }
    await this.#tell('identity.refused', step, { reason, source, ...told, ...why })
    return answer(status, { message })
  }

  #tell(type: 'identity.minted' | 'identity.refused', step: OpenStep | undefined, data: EventData): Promise<void> {
    const about = step === undefined ? {} : { job: step.grant.identity.job, step: step.grant.identity.step }
    return this.#options.observe({ type, ...about, data })
  }
}

type EventData = Readonly<Record<string, unknown>> & { readonly reason?: RefusalReason }

interface Refusal {
  readonly source: string
  readonly reason: RefusalReason
  readonly status: number
  readonly message: string
  readonly audience?: string | null
  readonly cause?: IdentityError
}

function asIdentityError(error: unknown): IdentityError {
  if (error instanceof IdentityError) return error
  throw error
}

function grantedAudience({ audiences }: StepGrant, asked: string | null): AudienceGrant | null {
  if (asked === null) return audiences.length === 1 ? (audiences[0] ?? null) : null
  return audiences.find(({ audience }) => audience === asked) ?? null
}

function assertGrant({ audiences }: StepGrant, hasGate: boolean): void {
  const names = audiences.map(({ audience }) => audience)
  if (names.length === 0 || new Set(names).size !== names.length)
    throw new TypeError('a grant names each of its audiences once, and at least one')
  if (names.some((name) => audienceRule(name) !== null)) throw new TypeError('a grant with an audience that is none')
  if (!hasGate && audiences.some(({ as }) => as === 'placeholder'))
    throw new TypeError('a grant of placeholders without a gate that knows them')
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function answer(status: number, body: object): TokenResponse {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }, body: JSON.stringify(body) }
}
