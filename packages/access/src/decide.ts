// SPDX-License-Identifier: Apache-2.0
// What a step may do, as pure functions of its rule sets. Every set that does not only observe has to allow it: nothing is allowed by default.
import { quote } from '@sallyport/core'
import type {
  AllowedConnection,
  ConnectionDecision,
  ConnectionTarget,
  DecidingRules,
  Decision,
  EgressRule,
  Protocol,
  Refusal,
  RequestFacts,
  RuleSet,
} from './contract.ts'
import { formatName } from './host-pattern.ts'
import {
  carries,
  compareSpecificity,
  failureOf,
  METHODS_NEVER,
  matchesDoor,
  matchesExecutable,
  matchesHost,
  mostSpecific,
} from './match-rule.ts'
import { formatPortRange } from './port-range.ts'
import { additionFor, additionForRequest, formatRequest, formatTarget, refuse, shown, usualProtocol } from './refuse.ts'

/** May this step learn an address for the name? `name`: lower case, without a final dot; another spelling is refused. */
export function decideName(sets: readonly RuleSet[], name: string): Decision {
  const asked = { name, address: null }
  for (const set of enforcing(sets)) {
    if (set.rules.some((rule) => matchesHost(rule, asked))) continue
    const target: ConnectionTarget = { ...asked, port: 443, transport: 'tcp', executable: null }
    const nearest = nearestRule(set, target)
    const reason = noRuleReason(set, target, nearest)
    return refused(refuse({ code: 'no-rule', target: shown(name), reason, nearest, set, addition: additionFor(target, 'tls') }))
  }
  return { allowed: true, ...decidingRules(sets, (rule) => matchesHost(rule, asked)) }
}

/** May a connection be made to this name (or address) and port, and what may be said over it? */
export function decideConnection(sets: readonly RuleSet[], target: ConnectionTarget): ConnectionDecision {
  const decision = decideFor(sets, target, (rule) => matchesExecutable(rule, target.executable))
  if (target.executable !== null) return decision
  const asksExecutable = enforcing(sets).some(({ rules }) => rules.some((rule) => rule.executables !== null && matchesDoor(rule, target)))
  if (decision.allowed) return { ...decision, asksExecutable }
  return { ...decision, asksExecutable: asksExecutable && decideFor(sets, target, () => true).allowed }
}

function decideFor(sets: readonly RuleSet[], target: ConnectionTarget, admits: (rule: EgressRule) => boolean): ConnectionDecision {
  const matching = enforcing(sets).map((set) => ({ set, rules: set.rules.filter((rule) => matchesDoor(rule, target) && admits(rule)) }))
  const closed = matching.find(({ rules }) => rules.length === 0)
  if (closed !== undefined) return { allowed: false, refusal: refuseConnection(closed.set, target), asksExecutable: false }
  const protocols = protocolsOf(target.transport).filter((protocol) =>
    matching.every(({ rules }) => rules.some((rule) => carries(rule, protocol))),
  )
  if (protocols.length === 0) return { allowed: false, refusal: refuseMix(matching, target), asksExecutable: false }
  const secure = matching.map(({ rules }) => rules.filter((rule) => carries(rule, 'tls')))
  const terminates = protocols.includes('tls') && secure.some(isConditional)
  return {
    allowed: true,
    protocols,
    terminates,
    // A connection by address has no name that a ClientHello could be compared with.
    serverName: !terminates && (target.name === null || secure.every((rules) => rules.some(isFreeOfNames))) ? 'any' : 'required',
    rules: rulesOf(sets, 'request')
      .filter((rule) => matchesDoor(rule, target) && admits(rule))
      .toSorted(compareSpecificity),
    asksExecutable: false,
    target,
    sets,
  }
}

function isConditional(rules: readonly EgressRule[]): boolean {
  return rules.every(({ http }) => http !== null)
}

/** Whether it depends on each request what may be said over the connection. */
export function dependsOnRequests({ sets, target }: AllowedConnection, protocol: Protocol): boolean {
  return enforcing(sets).some((set) => isConditional(doorsOf(set, target).filter((rule) => carries(rule, protocol))))
}

function isFreeOfNames({ protocol, serverName }: EgressRule): boolean {
  return protocol === 'tcp' || serverName === 'any'
}

function protocolsOf(transport: ConnectionTarget['transport']): readonly Protocol[] {
  return transport === 'udp' ? ['udp'] : ['tls', 'http', 'ssh', 'tcp']
}

/**
 * After the first bytes were seen: may this protocol be spoken, and by which of the request's rules?
 * `tcp` means bytes that are none of the others.
 */
export function narrowToProtocol(decision: AllowedConnection, protocol: Protocol): Decision {
  const { target, sets } = decision
  const allows = (rule: EgressRule): boolean =>
    matchesDoor(rule, target) && matchesExecutable(rule, target.executable) && carries(rule, protocol)
  if (decision.protocols.includes(protocol)) return { allowed: true, ...decidingRules(sets, allows) }
  const closed = enforcing(sets).find((set) => !doorsOf(set, target).some((rule) => carries(rule, protocol)))
  if (closed === undefined) throw new TypeError('the decision is of other sets')
  const nearest = nearestRule(closed, target)
  const reason = `${PROTOCOL_NAMES[protocol]} was spoken where ${nearest === null ? 'no rule' : `the rule ${quote(nearest.origin.text)}`} allows it`
  return refused(
    refuse({ code: 'protocol', target: formatTarget(target), reason, nearest, set: closed, addition: additionFor(target, protocol) }),
  )
}

const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  tls: 'TLS',
  http: 'HTTP in clear text',
  ssh: 'SSH',
  tcp: 'a protocol that is neither TLS nor HTTP nor SSH',
  udp: 'UDP',
}

/** May this request be sent? Asked for each request of a terminated connection and of HTTP in clear text. */
export function decideRequest(sets: readonly RuleSet[], facts: RequestFacts): Decision {
  const never = neverAllowed(facts)
  if (never !== null) return refused(never)
  for (const set of enforcing(sets)) {
    const doors = doorsOf(set, facts.target).filter((rule) => carries(rule, facts.protocol))
    if (!doors.some(({ http }) => failureOf(http, facts) === null)) return refused(refuseRequest(set, doors, facts))
  }
  const allows = (rule: EgressRule): boolean =>
    matchesDoor(rule, facts.target) &&
    matchesExecutable(rule, facts.target.executable) &&
    carries(rule, facts.protocol) &&
    failureOf(rule.http, facts) === null
  return { allowed: true, ...decidingRules(sets, allows) }
}

function neverAllowed(facts: RequestFacts): Refusal | null {
  const target = formatRequest(facts)
  if (METHODS_NEVER.includes(facts.method)) {
    return { code: 'method', target, reason: `${facts.method} is no method that a rule can allow`, rule: null, remedy: null }
  }
  if (facts.path.text !== '*' || facts.method === 'OPTIONS') return null
  return { code: 'malformed', target, reason: 'only OPTIONS can be asked of *', rule: null, remedy: null }
}

function refuseRequest(set: RuleSet, doors: readonly EgressRule[], facts: RequestFacts): Refusal {
  const target = formatRequest(facts)
  const addition = additionForRequest(facts)
  const order = ['method', 'path', 'graphql', 'upgrade'] as const
  // The rule that came furthest says what is missing.
  const failures = doors.map((rule) => ({ rule, step: order.indexOf(failureOf(rule.http, facts) ?? 'method') }))
  const furthest = failures.toSorted((a, b) => b.step - a.step || compareSpecificity(a.rule, b.rule))[0]
  const code = furthest === undefined ? 'no-rule' : (order[furthest.step] ?? 'method')
  const reason =
    furthest === undefined ? noRuleReason(set, facts.target, null) : REQUEST_REASONS[code as keyof typeof REQUEST_REASONS](facts)
  return refuse({ code, target, reason, nearest: furthest?.rule ?? null, set, addition })
}

const REQUEST_REASONS = {
  method: ({ method }: RequestFacts) => `no rule for this host allows the method ${shown(method)}`,
  path: ({ method }: RequestFacts) => `no rule for this host allows ${shown(method)} with this path`,
  graphql: () => 'a GraphQL endpoint does everything through one path: a rule has to say "graphql: true"',
  upgrade: () => 'a websocket carries what no rule can look at: a rule has to say "websocket: true"',
} as const

function refuseConnection(set: RuleSet, target: ConnectionTarget): Refusal {
  const nearest = nearestRule(set, target)
  const onlyPrograms = nearest !== null && matchesDoor(nearest, target)
  const protocol = target.transport === 'udp' ? 'udp' : usualProtocol(target.port)
  return refuse({
    code: onlyPrograms ? 'executable' : target.transport === 'udp' ? 'datagram' : 'no-rule',
    target: formatTarget(target),
    reason: onlyPrograms ? `it is allowed for ${programsOf(nearest)} only` : noRuleReason(set, target, nearest),
    nearest,
    set,
    addition: additionFor(target, protocol),
  })
}

function programsOf({ executables }: EgressRule): string {
  return (executables ?? []).map((path) => shown(path)).join(', ')
}

/** Each set has a rule for the destination, but no protocol is in all of them. */
function refuseMix(
  matching: readonly { readonly set: RuleSet; readonly rules: readonly EgressRule[] }[],
  target: ConnectionTarget,
): Refusal {
  const { set, rules } = matching.find((one) => one.set.author === 'ceiling') ?? matching[0] ?? { set: undefined, rules: [] }
  if (set === undefined) throw new TypeError('no set refuses this')
  const allowed = [...new Set(rules.map(({ protocol }) => protocol))].join(', ')
  return refuse({
    code: 'protocol',
    target: formatTarget(target),
    reason: `${set.source} allows ${allowed} here, and no protocol is allowed by every file`,
    nearest: rules[0] ?? null,
    set,
    addition: null,
  })
}

function noRuleReason({ source }: RuleSet, target: ConnectionTarget, nearest: EgressRule | null): string {
  if (nearest === null || nearest.to.kind !== 'name') return `no rule of ${source} names it`
  const { pattern } = nearest.to
  if (target.name === pattern.name && pattern.kind === 'suffix')
    return `${formatName(pattern)} is all names below ${shown(pattern.name)}, and not that name itself`
  if (nearest.protocol !== 'udp' && target.transport === 'udp') return `the rule for ${formatName(pattern)} is not for UDP`
  const ports = nearest.ports.map(formatPortRange).join(', ')
  return `the rule for ${formatName(pattern)} is for port ${ports}${nearest.protocol === 'udp' ? ' of UDP' : ''}`
}

/** The most specific rule for the same door, else for the same host, else for the names below it. */
function nearestRule({ rules }: RuleSet, target: ConnectionTarget): EgressRule | null {
  const ofHost = rules.filter((rule) => matchesHost(rule, target))
  return (
    mostSpecific(ofHost.filter((rule) => matchesDoor(rule, target))) ??
    mostSpecific(ofHost) ??
    mostSpecific(rules.filter(({ to }) => to.kind === 'name' && to.pattern.kind === 'suffix' && to.pattern.name === target.name))
  )
}

function enforcing(sets: readonly RuleSet[]): readonly RuleSet[] {
  return sets.filter(({ observes }) => !observes)
}

function doorsOf({ rules }: RuleSet, target: ConnectionTarget): readonly EgressRule[] {
  return rules.filter((rule) => matchesDoor(rule, target) && matchesExecutable(rule, target.executable))
}

/** None of a set that only observes. */
function rulesOf(sets: readonly RuleSet[], author: RuleSet['author']): readonly EgressRule[] {
  return enforcing(sets).flatMap((set) => (set.author === author ? set.rules : []))
}

function decidingRules(sets: readonly RuleSet[], allows: (rule: EgressRule) => boolean): DecidingRules {
  const [rule, ceiling] = (['request', 'ceiling'] as const).map((author) => mostSpecific(rulesOf(sets, author).filter(allows)))
  return { rule: rule ?? null, ceiling: ceiling ?? null }
}

function refused(refusal: Refusal): { readonly allowed: false; readonly refusal: Refusal } {
  return { allowed: false, refusal }
}
