// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { unmetCondition } from './grant-conditions.ts'
import type { IdentityDecision } from './identity-contract.ts'
import type { GrantFacts } from './secret-contract.ts'

export interface IdentityQuestion {
  /** As far as it was approved; null where there is none. */
  readonly file: AccessFile | null
  readonly job: string
  /** Its `id` in the workflow; null where it has none: then nothing can be granted to it. */
  readonly step: string | null
  readonly facts: GrantFacts
}

/** Whether this step may ask for identity tokens, and for which audiences. */
export function decideIdentity({ file, job, step, facts }: IdentityQuestion): IdentityDecision {
  const ofJob = file?.jobs.find(({ id }) => id === job)
  const grant = step === null ? null : (ofJob?.steps.find(({ id }) => id === step)?.identity ?? null)
  if (grant === null)
    return { granted: false, code: 'none', reason: 'no grant of identity tokens names this step', rule: null, remedy: null }
  const rule = `${grant.at.file}:${grant.at.line}`
  if (facts.isForkPullRequest) {
    const reason = 'an outsider wrote what runs: a pull request from a fork gets no identity token'
    return { granted: false, code: 'fork', reason, rule, remedy: null }
  }
  const unmet = unmetCondition(grant.when, facts)
  if (unmet === null) return { granted: true, grant }
  return { granted: false, code: 'condition', reason: `the grant of identity tokens holds for other ${unmet}`, rule, remedy: null }
}
