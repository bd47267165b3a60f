// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { withinSecretCeiling } from './decide-secret.ts'
import { formatPublishTarget } from './describe-publish.ts'
import { isOneOf, unmetCondition } from './grant-conditions.ts'
import { matchesName } from './host-pattern.ts'
import type { OperatorFile } from './operator-file.ts'
import { matchesPath } from './path-pattern.ts'
import type { PublishCeilingEntry, PublishDecision, PublishEntry } from './publish-contract.ts'
import { shown } from './refuse.ts'
import type { GrantFacts } from './secret-contract.ts'

export interface PublishQuestion {
  readonly file: AccessFile
  readonly operator: OperatorFile | null
  readonly entry: PublishEntry
  readonly facts: GrantFacts
}

/** Whether the supervisor publishes this artifact. Nothing of the job is asked: what it wrote is bytes. */
export function decidePublish(question: PublishQuestion): PublishDecision {
  const { entry, facts } = question
  const rule = `${entry.at.file}:${entry.at.line}`
  if (facts.isForkPullRequest) return denied('fork', 'an outsider wrote what runs: a pull request from a fork publishes nothing', rule)
  const unmet = unmetCondition(entry.when, facts)
  if (unmet !== null) return denied('condition', `${entry.name} is published for other ${unmet}`, rule)
  return beyondCeiling(question) ?? withCredential(question)
}

function beyondCeiling({ operator, entry, facts }: PublishQuestion): PublishDecision | null {
  if (operator === null || operator.publish.allow === null) return null
  const about = operator.publish.allow.filter((allowed) => coversTarget(allowed, entry))
  const holds = about.some(
    ({ methods, repositories, when }) =>
      (methods === null || methods.includes(entry.method)) &&
      (repositories === null || isOneOf(repositories, facts.repository)) &&
      unmetCondition(when, facts) === null,
  )
  if (holds) return null
  const nearest = about[0] === undefined ? operator.source : `${about[0].at.file}:${about[0].at.line}`
  return denied(
    'ceiling',
    `"${operator.source}" does not let this repository publish to ${shown(formatPublishTarget(entry.to))} so`,
    nearest,
  )
}

function coversTarget({ protocol, host, port, paths }: PublishCeilingEntry, { to }: PublishEntry): boolean {
  if (protocol !== to.protocol || !matchesName(host, to.host) || port !== to.port) return false
  return paths.length === 0 || paths.some((pattern) => matchesPath(pattern, to.path))
}

function withCredential({ file, operator, entry, facts }: PublishQuestion): PublishDecision {
  if (entry.credential === null) return { allowed: true, declaration: null }
  const { secret } = entry.credential
  const declaration = file.secrets.find(({ name }) => name === secret)
  if (declaration === undefined) return denied('secret', `${secret} is not declared in "${file.source}"`, null)
  const refused = withinSecretCeiling({ operator, facts }, declaration, 'publish')
  return refused === null ? { allowed: true, declaration } : denied('secret', refused.reason, refused.rule)
}

function denied(code: Extract<PublishDecision, { allowed: false }>['code'], reason: string, rule: string | null): PublishDecision {
  return { allowed: false, code, reason, rule }
}
