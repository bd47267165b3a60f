// SPDX-License-Identifier: Apache-2.0
// Identity tokens, as plain data: for which audiences a step may ask them, and when.
import type { SourcePosition } from '@sallyport/core'
import type { SubstitutionRule } from './contract.ts'
import type { GrantConditions, GrantDecision, SecretCeiling } from './secret-contract.ts'

export interface IdentityGrant {
  readonly at: SourcePosition
  /** At least one, each once. */
  readonly audiences: readonly AudienceGrant[]
  readonly when: GrantConditions
}

export interface AudienceGrant {
  readonly audience: string
  /** Where the gate puts the token in; the step gets a placeholder. Null: the step gets the token. */
  readonly placeholder: Omit<SubstitutionRule, 'name'> | null
  /** Null: what the issuer makes without a word. */
  readonly algorithm: (typeof TOKEN_ALGORITHMS)[number] | null
  readonly lifetimeS: number | null
}

export const TOKEN_ALGORITHMS = ['RS256', 'EdDSA'] as const

/** As the issuer has it: a minute of a slow network at least, and no longer than what is stolen may be worth something. */
export const TOKEN_LIFETIME_S: { readonly min: number; readonly max: number } = { min: 30, max: 15 * 60 }

/** `identity:` of the operator's file. */
export interface OperatorIdentity {
  readonly at: SourcePosition
  /** The URL under which verifiers find the keys. */
  readonly issuer: string
  /** Null: what a repository asks for. */
  readonly allow: readonly IdentityCeiling[] | null
  /** Of a token; null: what the issuer makes at most. */
  readonly lifetimeMaxS: number | null
}

/** Tokens that the operator lets repositories have. */
export interface IdentityCeiling extends Pick<SecretCeiling, 'at' | 'repositories' | 'when'> {
  readonly audiences: readonly string[]
  /** The step has a placeholder of them, and no token. */
  readonly placeholderOnly: boolean
}

/** `none`: no grant names the step. It is no refusal: nobody has asked for anything. */
export type IdentityDecision =
  | { readonly granted: true; readonly grant: IdentityGrant }
  | (Omit<Extract<GrantDecision, { granted: false }>, 'code'> & { readonly code: 'none' | 'condition' | 'fork' | 'ceiling' })

const AUDIENCE = /^[!-)+-~]{1,255}$/

/** One URL or name, with no wildcard: an audience is compared as a whole. */
export function isAudience(text: string): boolean {
  return AUDIENCE.test(text)
}
