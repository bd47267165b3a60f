// SPDX-License-Identifier: Apache-2.0
// Why a destination is allowed or refused, in sentences: `sallyport access explain`.
import type { AllowedConnection, ConnectionTarget, EgressRule, Protocol, Refusal, RequestFacts, RuleSet } from './contract.ts'
import { decideConnection, decideRequest } from './decide.ts'
import { formatRule } from './describe.ts'
import { carries, failureOf, matchesDoor, matchesExecutable, mostSpecific } from './match-rule.ts'
import { formatOrigin, formatRequest, formatTarget } from './refuse.ts'

export interface Explanation {
  readonly allowed: boolean
  /** A sentence each. */
  readonly lines: readonly string[]
}

export function explainConnection(sets: readonly RuleSet[], target: ConnectionTarget): Explanation {
  const decision = decideConnection(sets, target)
  if (!decision.allowed) return { allowed: false, lines: [...refusalLines(decision.refusal), ...programLines(decision.asksExecutable)] }
  const admits = (rule: EgressRule): boolean => matchesDoor(rule, target) && matchesExecutable(rule, target.executable)
  return {
    allowed: true,
    lines: [
      `${formatTarget(target)} may be connected to`,
      ...sets.map((set) => setLine(set, admits)),
      ...protocolLines(decision),
      ...programLines(decision.asksExecutable),
      'Whether its address may be reached is decided when the name is looked up: private addresses need the permission of the operator',
    ],
  }
}

export function explainRequest(sets: readonly RuleSet[], facts: RequestFacts): Explanation {
  const connection = decideConnection(sets, facts.target)
  if (!connection.allowed) return explainConnection(sets, facts.target)
  const decision = decideRequest(sets, facts)
  if (!decision.allowed) return { allowed: false, lines: refusalLines(decision.refusal) }
  const admits = (rule: EgressRule): boolean =>
    matchesDoor(rule, facts.target) &&
    matchesExecutable(rule, facts.target.executable) &&
    carries(rule, facts.protocol) &&
    failureOf(rule.http, facts) === null
  return {
    allowed: true,
    lines: [`${formatRequest(facts)} may be sent`, ...sets.map((set) => setLine(set, admits)), ...protocolLines(connection)],
  }
}

function refusalLines({ target, reason, rule, remedy }: Refusal): readonly string[] {
  return [
    `${target} is refused: ${reason}`,
    ...(rule === null ? [] : [`The rule that comes nearest: ${rule}`]),
    ...(remedy === null ? [] : [`To allow it, ${remedy}`]),
  ]
}

function setLine({ rules, observes, source }: RuleSet, admits: (rule: EgressRule) => boolean): string {
  const rule = mostSpecific(rules.filter(admits))
  if (rule === null) return `${source} has no rule for it, and is only observing`
  return `${formatOrigin(rule.origin)} allows it: ${formatRule(rule)}${observes ? ' (only observing: it would not be refused without it)' : ''}`
}

const PROTOCOLS: Readonly<Record<Protocol, string>> = {
  tls: 'TLS',
  http: 'HTTP in clear text',
  ssh: 'SSH',
  tcp: 'any bytes',
  udp: 'datagrams',
}

function protocolLines({ protocols, terminates, serverName, target }: AllowedConnection): readonly string[] {
  const said = protocols.includes('tcp') ? PROTOCOLS.tcp : protocols.map((protocol) => PROTOCOLS[protocol]).join(' or ')
  const lines = [`It may carry ${said}`]
  if (terminates) lines.push('TLS ends at the gate, which looks at each request: a program has to trust the authority of the job')
  else if (protocols.includes('tls') && serverName === 'required') lines.push(`A TLS connection has to name ${target.name} as its server`)
  return lines
}

function programLines(asksExecutable: boolean): readonly string[] {
  return asksExecutable ? ['Some rules are for named programs only'] : []
}
