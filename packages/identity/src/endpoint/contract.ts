// SPDX-License-Identifier: Apache-2.0
import type { RunEvent } from '@sallyport/core'
import type { JobIdentity } from '../claims/claims.ts'
import type { Algorithm, TokenMinter } from '../contract.ts'

/** What a step may ask a token for. */
export interface AudienceGrant {
  readonly audience: string
  /** `placeholder`: the audience's host is behind the gate, which gets the token; the step gets what stands for it. */
  readonly as: 'token' | 'placeholder'
  readonly algorithm?: Algorithm
  readonly lifetimeS?: number
}

export interface StepGrant {
  readonly identity: JobIdentity
  /** At least one. Where there is one only, it is what a request without an audience gets. */
  readonly audiences: readonly AudienceGrant[]
}

/** What one step is given. Its end is the end of what it can ask; tokens that it has live on until they expire. */
export interface StepTokens extends Disposable {
  /** ACTIONS_ID_TOKEN_REQUEST_URL */
  readonly url: string
  /** ACTIONS_ID_TOKEN_REQUEST_TOKEN: worth something from this step's own source alone. */
  readonly requestToken: string
}

/** A token that the gate puts in the place of a placeholder, for this step. */
export interface GateDelivery {
  readonly source: string
  readonly audience: string
  readonly placeholder: string
  /** A secret. */
  readonly token: string
  readonly expiresAtS: number
}

export interface TokenEndpointOptions {
  /** Where jobs reach it, e.g. `http://token.sallyport.internal/token`. */
  readonly url: string
  readonly minter: TokenMinter
  /** Each token and each refusal. A token goes out once this has resolved, and not at all when it rejects: nothing is handed out unrecorded. */
  readonly observe: (event: RunEvent) => Promise<void>
  /** The gate of the job. Resolves once it knows: only then does the step see the placeholder. Null: no grant may ask for placeholders. */
  readonly deliver: ((delivery: GateDelivery) => Promise<void>) | null
  /** A clock that only moves forward, in milliseconds. */
  readonly nowMs: () => number
}

/** Untrusted: all of it is chosen by the job. */
export interface TokenRequest {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  /** A header by its lower-case name; null when it was not sent. */
  header(name: string): string | null
}

export interface TokenResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Why a step got nothing, in `identity.refused`. */
export type RefusalReason =
  /** The source has no grant, or not any more. */
  | 'no-grant'
  | 'wrong-token'
  /** It is another step's: somebody has passed it on. */
  | 'foreign-token'
  | 'malformed'
  | 'audience-not-granted'
  /** More than `REQUESTS` allows; those that follow are counted, and told with `requests` at the next event that may be told. */
  | 'too-many'
  | 'mint-failed'
  /** The step ended while its token was made: nobody got it. */
  | 'step-ended'
