// SPDX-License-Identifier: Apache-2.0
import type { JobIdentity } from './claims/claims.ts'

/** RS256 for the clouds, all of which take it; EdDSA (Ed25519) for who can: its tokens are half as long, and made in a tenth of the time. */
export type Algorithm = 'RS256' | 'EdDSA'

export const ALGORITHMS: readonly Algorithm[] = ['RS256', 'EdDSA']

export interface LifetimeBounds {
  readonly default: number
  /** A token cannot be taken back: what is stolen from a step is worth something for so long. */
  readonly max: number
  /** Less than this is no use over a slow network. */
  readonly min: number
}

export const LIFETIME_S: LifetimeBounds = { default: 5 * 60, max: 15 * 60, min: 30 }

/** `nbf` lies so far before `iat`, and a retired key stays published so long after its last token: clocks of verifiers differ. */
export const CLOCK_SKEW_S = 60

export interface MintRequest {
  readonly identity: JobIdentity
  readonly audience: string
  /** RS256 when left out. */
  readonly algorithm?: Algorithm
  /** `LIFETIME_S.default` when left out. */
  readonly lifetimeS?: number
  /** `placeholder`: the token is for the gate, and the job gets a text of its shape in its stead. */
  readonly as?: 'token' | 'placeholder'
}

/** What was signed, without the token: this may be recorded. */
export interface MintedFacts {
  readonly kid: string
  readonly algorithm: Algorithm
  readonly jti: string
  readonly subject: string
  readonly audience: string
  readonly expiresAtS: number
}

export interface Minted extends MintedFacts {
  /** A secret until `expiresAtS`: for the redactor, the gate, or the step. */
  readonly token: string
  /** What the job gets in its stead; null unless that was asked for. */
  readonly placeholder: string | null
}

/** Makes tokens: the supervisor's end of a minter, or what stands for one. @throws IdentityError IDENTITY_CLAIM_INVALID, IDENTITY_LOST */
export interface TokenMinter {
  mint(request: MintRequest): Promise<Minted>
}
