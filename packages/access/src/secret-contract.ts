// SPDX-License-Identifier: Apache-2.0
// Secrets, as plain data: which there are, which step is granted which of them, how, and when. No value is ever here.
import type { SourcePosition } from '@sallyport/core'
import type { AwsScope, NamePattern, PathSegment, SubstitutionRule } from './contract.ts'

/** The provider that is always there: values that the person who runs the workflow gives on the command line. */
export const GIVEN = 'given'

/** A secret that a repository's steps can be granted. */
export interface SecretDeclaration {
  /** Upper case: names of secrets do not differ by case alone. */
  readonly name: string
  readonly at: SourcePosition
  /** Name of a provider in the operator's file, {@link GIVEN}, or `store` (the embedded one). */
  readonly from: string
  /** In the provider's own terms; null for {@link GIVEN}. */
  readonly path: string | null
  readonly field: string | null
  readonly version: string | null
  readonly parameters: Readonly<Record<string, string>>
  /** Where it is for: a placeholder of it becomes the value at these hosts only. */
  readonly hosts: readonly NamePattern[]
}

/** How a step gets it. `env` and `fd`, `file` put the value itself into the job; a placeholder does not. */
export type SecretDelivery =
  | ({ readonly kind: 'placeholder'; readonly in: PlaceholderPlace } & Pick<SubstitutionRule, 'methods' | 'paths'>)
  /** A file that only the step sees, in memory; what the step is told is its path. */
  | { readonly kind: 'file' }
  /** An open descriptor; what the step is told is `/dev/fd/N`. */
  | { readonly kind: 'fd' }
  | { readonly kind: 'env' }

/** `aws`: nowhere itself; it signs requests, which are signed again. Then the secret is a key of AWS. */
export type PlaceholderPlace = SubstitutionRule['in'] | { readonly aws: AwsScope }

export interface SecretGrant {
  /** Name of the declaration. */
  readonly secret: string
  readonly at: SourcePosition
  readonly delivery: SecretDelivery
  /** A variable of the step's environment to put it into; null: where the workflow writes `${{ secrets.NAME }}` alone. */
  readonly as: string | null
  readonly when: GrantConditions
}

/** All of them have to hold; null: whatever it is. */
export interface GrantConditions {
  /** Of full refs, e.g. `refs/heads/main`, `refs/tags/*`. */
  readonly refs: readonly (readonly PathSegment[])[] | null
  /** Names of events. */
  readonly events: readonly string[] | null
  /** The job's `environment`. */
  readonly environments: readonly string[] | null
  readonly actors: readonly string[] | null
}

/** What the operator lets repositories read. */
export interface SecretCeiling {
  readonly at: SourcePosition
  /** Names of providers. */
  readonly from: readonly string[]
  /** Of paths, `/` first as in `/kv/ci/**`. */
  readonly paths: readonly (readonly PathSegment[])[]
  /** `owner/name` or `owner/*`; null: every repository. */
  readonly repositories: readonly (readonly PathSegment[])[] | null
  /** `publish`: not into a job at all, but to where an artifact of it goes. */
  readonly deliveries: readonly (SecretDelivery['kind'] | 'publish')[] | null
  readonly when: GrantConditions
}

/** A secrets manager of the operator's. Its settings are checked by `packages/secrets`, which knows them. */
export interface ProviderEntry {
  readonly name: string
  readonly at: SourcePosition
  readonly kind: string
  readonly settings: SettingsTree
}

export type SettingsTree = { readonly [key: string]: string | readonly string[] | SettingsTree }

/** What a grant is decided by. Facts of the run, never words of the job. */
export interface GrantFacts {
  readonly repository: string | null
  readonly ref: string | null
  readonly event: string
  readonly environment: string | null
  readonly actor: string | null
  /** An outsider wrote what runs. */
  readonly isForkPullRequest: boolean
}

export type GrantDecision =
  | { readonly granted: true; readonly grant: SecretGrant; readonly declaration: SecretDeclaration }
  | {
      readonly granted: false
      readonly code: 'not-granted' | 'condition' | 'fork' | 'ceiling' | 'undeclared'
      /** One sentence. */
      readonly reason: string
      /** `file:line` that comes nearest, or null. */
      readonly rule: string | null
      readonly remedy: string | null
    }
