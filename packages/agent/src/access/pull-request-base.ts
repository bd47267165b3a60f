// SPDX-License-Identifier: Apache-2.0

/** The state of the repository that its own people decided on, where somebody else wrote what the working tree holds. */
export interface PullRequestBase {
  /** Hash of its commit; null where the event names none. */
  readonly commit: string | null
  /** Name of its branch; null where the event names none. */
  readonly branch: string | null
}

/**
 * The base of a pull request that comes from a fork; null for every other event. One whose event does not say that both sides are the same
 * repository counts as a fork's: a deleted fork has no name any more.
 *
 * @param payload Of the event: a forge wrote it, but for the names of branches and repositories.
 */
export function forkBaseOf(payload: Readonly<Record<string, unknown>> | null): PullRequestBase | null {
  const pullRequest = payload?.['pull_request']
  if (typeof pullRequest !== 'object' || pullRequest === null) return null
  const [base, head] = [member(pullRequest, 'base'), member(pullRequest, 'head')]
  const [own, other] = [member(member(base, 'repo'), 'full_name'), member(member(head, 'repo'), 'full_name')]
  if (typeof own === 'string' && own !== '' && own === other) return null
  const [commit, branch] = [member(base, 'sha'), member(base, 'ref')]
  return {
    commit: typeof commit === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit) ? commit : null,
    branch: typeof branch === 'string' && branch !== '' ? branch : null,
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
}
