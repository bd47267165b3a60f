// SPDX-License-Identifier: Apache-2.0
// What the supervisor and a minter say to each other, in the frame of packages/key-process. Both ends check what they hear.
import type { JobIdentity } from '../claims/claims.ts'
import type { Algorithm } from '../contract.ts'
import { isAlgorithm } from '../keys/ring-file.ts'

export interface MintQuestion {
  readonly type: 'mint'
  /** As the supervisor says it; the minter checks it. */
  readonly identity: JobIdentity
  readonly audience: string
  readonly algorithm: Algorithm
  readonly lifetimeS: number
}

export type Question =
  | MintQuestion
  /** `isCompromised`: nothing of before is trusted any more. */
  | { readonly type: 'rotate'; readonly isCompromised: boolean }

export interface MintedMessage {
  readonly token: string
  readonly kid: string
  readonly jti: string
  readonly subject: string
  readonly expiresAtS: number
}

export type RefusalCode = 'IDENTITY_CLAIM_INVALID' | 'IDENTITY_TOO_EARLY'

export type Answer =
  | ({ readonly type: 'minted' } & MintedMessage)
  | { readonly type: 'rotated' }
  /** Nothing was signed and nothing changed. */
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly message: string; readonly hint: string | null }

/** Each of two dozen claims has a bound. */
export const QUESTION_BYTES_MAX: number = 64 * 1024
export const ANSWER_BYTES_MAX: number = 64 * 1024

/** What the claims say is checked where they are made. @throws TypeError */
export function parseQuestion({
  type,
  identity,
  audience,
  algorithm,
  lifetimeS,
  isCompromised,
}: Readonly<Record<string, unknown>>): Question {
  if (type === 'rotate' && typeof isCompromised === 'boolean') return { type, isCompromised }
  if (type === 'mint' && typeof audience === 'string' && isAlgorithm(algorithm) && typeof lifetimeS === 'number')
    return { type, identity: identity as JobIdentity, audience, algorithm, lifetimeS }
  throw new TypeError('a question that makes no sense')
}

/** @throws TypeError */
export function parseAnswer(answer: Readonly<Record<string, unknown>>): Answer {
  const { type, token, kid, jti, subject, expiresAtS, code, message, hint } = answer
  if (type === 'rotated') return { type }
  if (type === 'refused' && isRefusalCode(code) && typeof message === 'string' && (hint === null || typeof hint === 'string'))
    return { type, code, message, hint }
  const isMinted = type === 'minted' && typeof kid === 'string' && typeof jti === 'string' && typeof subject === 'string'
  if (isMinted && typeof token === 'string' && JWT.test(token) && Number.isSafeInteger(expiresAtS))
    return { type, token, kid, jti, subject, expiresAtS: expiresAtS as number }
  throw new TypeError('an answer that makes no sense')
}

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/

function isRefusalCode(code: unknown): code is RefusalCode {
  return code === 'IDENTITY_CLAIM_INVALID' || code === 'IDENTITY_TOO_EARLY'
}
