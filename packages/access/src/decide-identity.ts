// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { isOneOf, unmetCondition } from './grant-conditions.ts'
import type { AudienceGrant, IdentityDecision } from './identity-contract.ts'
import type { OperatorFile } from './operator-file.ts'
import { shown } from './refuse.ts'
import type { GrantFacts } from './secret-contract.ts'

export interface IdentityQuestion {
  /** As far as it was approved; null where there is none. */
  readonly file: AccessFile | null
  readonly operator: OperatorFile | null
  readonly job: string
  /** Its `id` in the workflow; null where it has none: then nothing can be granted to it. */
  readonly step: string | null
  readonly facts: GrantFacts
}

/** Whether this step may ask for identity tokens, and for which audiences. */
export function decideIdentity({ file, operator, job, step, facts }: IdentityQuestion): IdentityDecision {
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
  if (unmet !== null)
    return { granted: false, code: 'condition', reason: `the grant of identity tokens holds for other ${unmet}`, rule, remedy: null }
  const beyond = beyondCeiling(grant.audiences, { operator, facts })
  return beyond === null ? { granted: true, grant } : { granted: false, code: 'ceiling', reason: beyond, rule, remedy: null }
}

/** What the operator does not let this repository have; null: nothing. */
function beyondCeiling(
  audiences: readonly AudienceGrant[],
  { operator, facts }: Pick<IdentityQuestion, 'operator' | 'facts'>,
): string | null {
  const { allow = null, lifetimeMaxS = null } = operator?.identity ?? {}
  const source = operator?.source ?? ''
  const isAllowed = ({ audience, placeholder }: AudienceGrant): boolean =>
    allow === null ||
    allow.some(
      (entry) =>
        entry.audiences.includes(audience) &&
        (placeholder !== null || !entry.placeholderOnly) &&
        (entry.repositories === null || isOneOf(entry.repositories, facts.repository)) &&
        unmetCondition(entry.when, facts) === null,
    )
  const refused = audiences.find((each) => !isAllowed(each))
  if (refused !== undefined) return `"${source}" does not let this repository have tokens for ${shown(refused.audience)} so`
  const tooLong = audiences.find(({ lifetimeS }) => lifetimeS !== null && lifetimeMaxS !== null && lifetimeS > lifetimeMaxS)
  return tooLong === undefined
    ? null
    : `"${source}" lets a token live ${lifetimeMaxS} s, and the one for ${shown(tooLong.audience)} asks for ${tooLong.lifetimeS} s`
}
