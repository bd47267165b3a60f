// SPDX-License-Identifier: Apache-2.0
import type { AccessFile, HostLogNeeds, OperatorFile, OperatorImages, RuleSet } from '@sallyport/access'
import type { GateConfig } from '@sallyport/gate'
import type { JobLimits } from '../contract.ts'

/** What the command line says about the network. */
export interface EgressOptions {
  /** `--allow`, as written. */
  readonly allow: readonly string[]
  readonly mode: 'enforce' | 'observe'
  /** `--resolve HOST:ADDRESS`, as written. */
  readonly resolve: readonly string[]
  /** `--config`, absolute; null: the default place, if there is a file. */
  readonly operatorFile: string | null
  /** `--access`, absolute; null: `sallyport.yml` of the repository, if there is one. Always null for `exec`. */
  readonly accessFile: string | null
}

/** What is in force for one run: the request, as far as it was approved, and the operator's ceiling. */
export interface EffectiveAccess {
  /** The sets that a step's connections must all be allowed by. `step`: its `id` in the workflow, or null where it has none. */
  setsFor(job: string, step: string | null): readonly RuleSet[]
  /** Everything of the gate's configuration but its limits. */
  readonly gate: Omit<GateConfig, 'limits'>
  /** For a whole job; null for none. */
  readonly bytesOutMax: number | null
  readonly observes: boolean
  /** Where secrets are declared and granted, as far as that was approved, and the operator's ceiling on them. */
  readonly files: { readonly request: AccessFile | null; readonly operator: OperatorFile | null }
  /** SHA-256, hexadecimal. `request`: of all that it asks for, which is what `trust` approves; `operator`: of the file's bytes. Null where there is none. */
  readonly digests: { readonly request: string | null; readonly operator: string | null }
  /** Of `sallyport.yml`, not yet within {@link EffectiveAccess.limitsMax}. */
  readonly limits: Partial<JobLimits>
  /** The most that a job may have, whoever asks for it: the operator's. */
  readonly limitsMax: Partial<JobLimits>
  /** The first rule that counts for some programs only, as text; null where there is none. */
  readonly programRule: string | null
  /** The operator's. */
  readonly images: OperatorImages
  /** Whether the access file or the operator wants the source of this job to stay as it is. */
  keepsSource(job: string): boolean
  /** The operator's. */
  readonly hostLogs: HostLogNeeds
  /** For people, e.g. that nothing is blocked. */
  readonly notices: readonly string[]
}

// ---- `sallyport trust` and `sallyport access`

/** Where these commands look, the same places as a run's. */
export interface AccessPlace {
  /** State directory, absolute. */
  readonly stateDirectory: string
  /** Root of the repository, absolute. */
  readonly repository: string
  /** Absolute; null: `sallyport.yml` of the repository. */
  readonly accessFile: string | null
  /** As in {@link EgressOptions}. */
  readonly operatorFile: string | null
}

/**
 * `nothing-asked`: no job gets more than it would without the file. `ceiling`: an operator's file decides, nobody is asked.
 * `changed`: the repository asked for something else when it was last approved.
 */
export type TrustState = 'nothing-asked' | 'trusted' | 'untrusted' | 'changed' | 'ceiling'

/** What an access file asks for. */
export interface AccessReview {
  /** From the repository's root where it lies in it. */
  readonly file: string
  /** SHA-256, hexadecimal, of all that it asks for, with the hosts that its presets mean here. */
  readonly digest: string
  readonly state: TrustState
  /** One thing a line, with job, step and `file:line`. */
  readonly asks: readonly string[]
  /** Against what was approved last; everything is `added` when nothing was. */
  readonly changes: readonly { readonly kind: 'added' | 'removed' | 'kept'; readonly ask: string }[]
  readonly notices: readonly string[]
}

export interface LearnedAccess {
  /** The file, ready to be written. */
  readonly text: string
  /** Ids of the runs that it covers. */
  readonly runs: readonly string[]
  readonly notices: readonly string[]
}

/** Whether a file would have allowed what recorded runs did. */
export interface AccessReplay {
  readonly sufficient: boolean
  readonly runs: readonly string[]
  /** What was done and would be refused. */
  readonly missing: readonly {
    readonly run: string
    readonly job: string
    readonly step: string | null
    readonly target: string
    readonly reason: string
    readonly remedy: string | null
  }[]
  /** Rules that no recorded run needed. */
  readonly unused: readonly { readonly rule: string; readonly text: string }[]
  /** What the records cannot tell. */
  readonly notices: readonly string[]
}

export interface AccessQuestion {
  /** The job's id. */
  readonly job: string
  readonly step: string | null
  /** `HOST[:PORT]`; port 443 unless it says otherwise. */
  readonly target: string
  readonly method: string | null
  readonly path: string | null
}

export interface AccessExplanation {
  readonly allowed: boolean
  /** In words, a sentence each. */
  readonly lines: readonly string[]
}

export interface AccessCommands {
  /** @throws AccessError with every problem of the file; AgentError ACCESS_FILE_UNREADABLE, OPERATOR_FILE_REFUSED. */
  review(place: AccessPlace): Promise<AccessReview>
  /** Approves what was reviewed. @throws AgentError ACCESS_CHANGED when the file asks for something else by now. */
  approve(place: AccessPlace, digest: string): Promise<void>
  /** Takes back every approval of the repository; how many there were. */
  revoke(place: AccessPlace): Promise<number>
  /** @param runs Ids or their beginnings; empty: the latest run. */
  learn(place: AccessPlace, runs: readonly string[]): Promise<LearnedAccess>
  replay(place: AccessPlace, runs: readonly string[]): Promise<AccessReplay>
  explain(place: AccessPlace, question: AccessQuestion): Promise<AccessExplanation>
}
