// SPDX-License-Identifier: Apache-2.0
import type { ConnectionTarget, EgressRule, HttpCondition, Protocol, RequestFacts } from './contract.ts'
import { matchesName } from './host-pattern.ts'
import { networkContains, parseAddress, parseNetwork } from './ip-address.ts'
import { matchesPath } from './path-pattern.ts'
import { rangesContain } from './port-range.ts'

/** Name or address, whatever the port. A name matches no network: which address it has is not known before it is allowed. */
export function matchesHost({ to }: EgressRule, { name, address }: Pick<ConnectionTarget, 'name' | 'address'>): boolean {
  if (to.kind === 'name') return name !== null && matchesName(to.pattern, name)
  if (name !== null || address === null) return false
  const network = parseNetwork(to.cidr)
  const parsed = parseAddress(address)
  return network !== null && parsed !== null && networkContains(network, parsed)
}

export function matchesDoor(rule: EgressRule, target: ConnectionTarget): boolean {
  return matchesHost(rule, target) && rangesContain(rule.ports, target.port) && (rule.protocol === 'udp') === (target.transport === 'udp')
}

/** An unknown program is none of the named ones. */
export function matchesExecutable({ executables }: EgressRule, executable: string | null): boolean {
  return executables === null || (executable !== null && executables.includes(executable))
}

/** Whether the rule lets bytes of this protocol through: `tcp` is any bytes. */
export function carries(rule: EgressRule, protocol: Protocol): boolean {
  return rule.protocol === protocol || (rule.protocol === 'tcp' && protocol !== 'udp')
}

/** What a gate never does for anybody: CONNECT makes a tunnel, TRACE echoes headers, PRI begins HTTP/2 inside of HTTP/1. */
export const METHODS_NEVER: readonly string[] = ['CONNECT', 'TRACE', 'PRI']

/** The first thing of the request that the condition does not allow; null when it allows all of it. */
export function failureOf(condition: HttpCondition | null, facts: RequestFacts): 'method' | 'path' | 'graphql' | 'upgrade' | null {
  if (condition === null) return null
  if (condition.methods !== null && !condition.methods.includes(facts.method)) return 'method'
  if (condition.paths !== null && !condition.paths.some((pattern) => matchesPath(pattern, facts.path))) return 'path'
  if (facts.graphql && !condition.graphql) return 'graphql'
  return facts.upgrade !== null && !condition.websocket ? 'upgrade' : null
}

/** Most specific first: exact names, then longer ones, then longer prefixes, fewer ports, and those for named programs. */
export function compareSpecificity(left: EgressRule, right: EgressRule): number {
  const [a, b] = [specificity(left), specificity(right)]
  for (const [index, value] of a.entries()) {
    const difference = (b[index] ?? 0) - value
    if (difference !== 0) return difference
  }
  return 0
}

/** Without sorting them all: a job chooses how often this is asked. */
export function mostSpecific(rules: readonly EgressRule[]): EgressRule | null {
  return rules.reduce<EgressRule | null>((best, rule) => (best === null || compareSpecificity(rule, best) < 0 ? rule : best), null)
}

function specificity({ to, ports, executables }: EgressRule): readonly number[] {
  const isExact = to.kind === 'name' && to.pattern.kind === 'exact' ? 1 : 0
  const length = to.kind === 'name' ? to.pattern.name.length : (parseNetwork(to.cidr)?.prefix ?? 0)
  const portCount = ports.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  return [isExact, length, -portCount, executables === null ? 0 : 1]
}
