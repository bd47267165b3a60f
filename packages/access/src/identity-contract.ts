// SPDX-License-Identifier: Apache-2.0
// Identity tokens, as plain data: for which audiences a step may ask them, and when.
import type { SourcePosition } from '@sallyport/core'
import type { GrantConditions, GrantDecision } from './secret-contract.ts'

export interface IdentityGrant {
  readonly at: SourcePosition
  /** At least one, each once. */
  readonly audiences: readonly string[]
  readonly when: GrantConditions
}

/** `identity:` of the operator's file. */
export interface OperatorIdentity {
  readonly at: SourcePosition
  /** The URL under which verifiers find the keys. */
  readonly issuer: string
}

/** `none`: no grant names the step. It is no refusal: nobody has asked for anything. */
export type IdentityDecision =
  | { readonly granted: true; readonly grant: IdentityGrant }
  | (Omit<Extract<GrantDecision, { granted: false }>, 'code'> & { readonly code: 'none' | 'condition' | 'fork' })

const AUDIENCE = /^[!-)+-~]{1,255}$/

/** One URL or name, with no wildcard: an audience is compared as a whole. */
export function isAudience(text: string): boolean {
  return AUDIENCE.test(text)
}
