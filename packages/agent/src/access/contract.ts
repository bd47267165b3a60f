// SPDX-License-Identifier: Apache-2.0
import type { RuleSet } from '@sallyport/access'
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
  /** Of `sallyport.yml`, within the operator's. */
  readonly limits: Partial<JobLimits>
  /** For people, e.g. that nothing is blocked. */
  readonly notices: readonly string[]
}
