// SPDX-License-Identifier: Apache-2.0
// What a job hands over to be published, where to, and when: plain data. Nothing of it is ever in a job.
import type { SourcePosition } from '@sallyport/core'
import type { NamePattern, NormalPath, PathSegment } from './contract.ts'
import type { GrantConditions, SecretDeclaration } from './secret-contract.ts'

/** Those that a store of artifacts is sent a whole file with. */
export const PUBLISH_METHODS = ['PUT', 'POST'] as const
export type PublishMethod = (typeof PUBLISH_METHODS)[number]

export type PublishProtocol = 'https' | 'oci'

/** Always by TLS: the name is what the server has to prove. */
export interface PublishTarget {
  /** `oci`: the distribution protocol of OCI registries; the artifact is an image layout as a tar archive. */
  readonly protocol: PublishProtocol
  /** Lower case. */
  readonly host: string
  readonly port: number
  /** Of an image: its repository. */
  readonly path: NormalPath
  /** Of an image; null for everything else. */
  readonly tag: string | null
}

/** One artifact of a job. */
export interface PublishEntry {
  /** Unique in its job. */
  readonly name: string
  readonly at: SourcePosition
  /** Of a regular file, relative to the workspace. */
  readonly path: string
  readonly to: PublishTarget
  readonly method: PublishMethod
  /** Null: the server wants no credential. */
  readonly credential: {
    /** Name of the declaration. */
    readonly secret: string
    /** Lower case, and what stands before the value; null: as the registry asks for it. */
    readonly place: { readonly header: string; readonly prefix: string } | null
  } | null
  readonly when: GrantConditions
}

/** What the operator lets repositories publish. */
export interface PublishCeiling {
  /** Null: wherever they ask for, and somebody approved. */
  readonly allow: readonly PublishCeilingEntry[] | null
  /** Of all artifacts of one job. */
  readonly bytesMax: number
}

export interface PublishCeilingEntry {
  readonly at: SourcePosition
  readonly protocol: PublishProtocol
  readonly host: NamePattern
  readonly port: number
  /** Empty: every path. */
  readonly paths: readonly (readonly PathSegment[])[]
  readonly methods: readonly PublishMethod[] | null
  /** `owner/name` or `owner/*`; null: every repository. */
  readonly repositories: readonly (readonly PathSegment[])[] | null
  readonly when: GrantConditions
}

export type PublishDecision =
  | { readonly allowed: true; readonly declaration: SecretDeclaration | null }
  | {
      readonly allowed: false
      readonly code: 'condition' | 'fork' | 'ceiling' | 'secret'
      /** One sentence. */
      readonly reason: string
      /** `file:line` that comes nearest, or null. */
      readonly rule: string | null
    }
