// SPDX-License-Identifier: Apache-2.0
// A trust policy of any of the four kinds, as what it comes to: whom it lets in. Untrusted: files of a repository.
import type { SourcePosition } from '@sallyport/core'

export type PolicyKind = 'aws' | 'azure' | 'google' | 'vault'

export type FindingRule = (typeof FINDING_RULES)[number]

export const FINDING_RULES = [
  'audience-missing',
  'audience-broad',
  'issuer-missing',
  'subject-missing',
  'repository-broad',
  'context-any',
  'context-broad',
  'pull-request',
  'ignores-case',
  'negated',
  'optional',
  'like-without-wildcard',
  'never-matches',
  'unread',
] as const

export interface Finding {
  readonly rule: FindingRule
  readonly at: SourcePosition
  /** Where in the document, e.g. `Statement[0].Condition.StringLike.sub`. */
  readonly path: string
  /** What is wrong, and whom it lets in. */
  readonly message: string
  /** What would be right. */
  readonly remedy: string
}

/** A value of a condition, and how it is compared. */
export interface Pattern {
  readonly text: string
  /** `*` (and for AWS `?`) stand for other characters. */
  readonly isGlob: boolean
  readonly at: SourcePosition
  readonly path: string
}

/** One claim has to be one of these. */
export interface Constraint {
  readonly claim: string
  readonly patterns: readonly Pattern[]
}

/** One way in: all of its constraints hold. */
export interface Grant {
  readonly at: SourcePosition
  readonly path: string
  readonly constraints: readonly Constraint[]
  /** Whether the manager itself asks for an audience that is written elsewhere. */
  readonly hasAudience: boolean
  /** How a constraint is written in this kind of file, for remedies. */
  readonly write: (claim: string, value: string) => string
}

/** What a reader of one kind makes of a file; `findings` are of what only that kind has. */
export interface ReadPolicy {
  readonly grants: readonly Grant[]
  readonly findings: readonly Finding[]
}
