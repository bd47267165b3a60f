// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { isAbsolute } from 'node:path'
import { type AccessFile, type Ask, asksOf, canonicalAsk } from '@sallyport/access'
import { AgentError } from '../agent-error.ts'
import { raisedLimits } from './access-limits.ts'
import type { AccessReview } from './contract.ts'
import type { Policy } from './policy.ts'
import type { PullRequestBase } from './pull-request-base.ts'
import type { Approval, TrustStore } from './trust-store.ts'

/** SHA-256, hexadecimal, of all that a file asks for; presets have to be expanded. */
export function askDigest(file: AccessFile): string {
  return createHash('sha256')
    .update(canonicalAsk({ ...file, limits: raisedLimits(file.limits) }))
    .digest('hex')
}

/** What an access file asks for, and what this machine says to that. */
export async function reviewFile(file: AccessFile, policy: Policy, repository: string, store: TrustStore): Promise<AccessReview> {
  const asking: AccessFile = { ...file, limits: raisedLimits(file.limits) }
  const asks = asksOf(asking)
  const digest = askDigest(file)
  const approvals = policy.operator === null ? await store.approvals(repository) : []
  return {
    file: file.source,
    digest,
    state: stateOf(policy, asks, approvals, digest),
    asks: asks.map(describeAsk),
    changes: changesSince(approvals.find((approval) => approval.digest === digest) ?? approvals[0], asks),
    notices: policy.notices,
  }
}

function stateOf({ operator }: Policy, asks: readonly Ask[], approvals: readonly Approval[], digest: string): AccessReview['state'] {
  if (asks.length === 0) return 'nothing-asked'
  if (operator !== null) return 'ceiling'
  if (approvals.some((approval) => approval.digest === digest)) return 'trusted'
  return approvals.length === 0 ? 'untrusted' : 'changed'
}

/** Where the file was found; for the hint. */
interface Found {
  /** As of `--access`. */
  readonly accessFile: string | null
  readonly base: PullRequestBase | null
}

/** @throws AgentError NOT_TRUSTED. */
export function assertTrusted({ state, file, asks }: AccessReview, { accessFile, base }: Found): void {
  if (state !== 'untrusted' && state !== 'changed') return
  const what = `${asks.length} thing${asks.length === 1 ? '' : 's'} that nobody has approved`
  const isInBase = base !== null && !isAbsolute(file)
  const option = isInBase ? ' --access FILE' : accessFile === null ? '' : ` --access ${accessFile}`
  const hint = `sallyport trust${option}${state === 'changed' ? ' --diff' : ''}`
  throw new AgentError('NOT_TRUSTED', `Cannot run with "${file}": it asks for ${what}`, {
    hint: `Review it, then: ${isInBase ? `git show ${file} > FILE; ` : ''}${hint}`,
    details: { asks },
  })
}

export function approvalOf({ digest, changes }: AccessReview, now: Date): Approval {
  const asks = changes.filter(({ kind }) => kind !== 'removed').map(({ ask }) => ask)
  return { digest, approvedAt: now.toISOString(), asks }
}

/** Without their place: a line that moved is no change. */
function changesSince(approval: Approval | undefined, asks: readonly Ask[]): AccessReview['changes'] {
  const before = new Set(approval?.asks ?? [])
  const now = [...new Set(asks.map(withoutPlace))]
  const removed = [...before].filter((ask) => !now.includes(ask))
  return [
    ...now.map((ask) => ({ kind: before.has(ask) ? 'kept' : 'added', ask }) as const),
    ...removed.map((ask) => ({ kind: 'removed', ask }) as const),
  ]
}

function describeAsk(ask: Ask): string {
  return ask.rule === null ? withoutPlace(ask) : `${withoutPlace(ask)}  (${ask.rule})`
}

function withoutPlace({ job, step, text }: Ask): string {
  const place = job === null ? 'every job' : `job ${job}${step === null ? '' : `, step ${step}`}`
  return `${place}: ${text}`
}
