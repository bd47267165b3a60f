// SPDX-License-Identifier: Apache-2.0
// What a run did with secrets, what earlier runs of the repository did, and what is odd about it. No value is ever here.

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical'

export type FindingRule =
  | 'learning'
  | 'first-time-reader'
  | 'unusual-time'
  | 'burst'
  | 'unused-grant'
  | 'denied-probe'
  | 'over-granted'
  | 'overdue'
  | 'honeytoken-used'
  | 'honeytoken-printed'

/** Something that somebody should look at. It changes nothing: what a step may have was decided before. */
export interface Finding {
  readonly rule: FindingRule
  readonly severity: Severity
  /** The job's key, as in events; null for what belongs to no job. */
  readonly job: string | null
  readonly step: string | null
  /** ISO 8601. */
  readonly at: string
  /** One sentence. Names in it may be the job's: whoever shows it makes it safe. */
  readonly message: string
  readonly remedy: string | null
}

/** One secret that one step read. */
export interface SecretRead {
  readonly secret: string
  readonly job: string
  readonly step: string
  /** The step's `id` in the workflow: numbers change when a step is put before it. */
  readonly stepId: string | null
  readonly delivery: string
  readonly provider: string
  readonly path: string | null
  readonly at: string
}

/** One secret that one step named and did not get. */
export interface SecretDenial {
  readonly secret: string
  readonly job: string
  readonly step: string
  readonly code: string
  readonly at: string
}

/** A grant as the file has it. */
export interface WatchedGrant {
  readonly secret: string
  readonly job: string
  readonly stepId: string
  readonly delivery: string
  readonly namesHosts: boolean
  readonly isConditional: boolean
  /** `file:line`. */
  readonly place: string
}

export interface WatchedRun {
  /** When it ends, ISO 8601. */
  readonly at: string
  readonly reads: readonly SecretRead[]
  readonly denials: readonly SecretDenial[]
  readonly grants: readonly WatchedGrant[]
  /** Ids of the jobs that were started: of others a grant could not be used. */
  readonly jobs: readonly string[]
}

/** What is remembered of earlier runs of one repository, oldest entries first. */
export interface Baseline {
  /** Runs that read, or could have read, a secret. */
  readonly runs: number
  readonly readers: readonly KnownReader[]
  readonly secrets: readonly KnownSecret[]
  readonly unused: readonly UnusedGrant[]
}

export interface KnownReader {
  /** Of {@link readerKey}. */
  readonly key: string
  readonly count: number
}

export interface KnownSecret {
  readonly name: string
  readonly reads: number
  /** Reads by hour of the day, UTC. */
  readonly hours: readonly number[]
  /** The most reads that an earlier run made within a minute. */
  readonly burst: number
}

export interface UnusedGrant {
  readonly key: string
  /** In a row. */
  readonly runs: number
}
