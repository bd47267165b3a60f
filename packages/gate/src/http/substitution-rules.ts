// SPDX-License-Identifier: Apache-2.0
import type { RuleSet, SubstitutionRule } from '@sallyport/access'

/** A secret's conditions as those of a rule: one function judges both. */
export function asRuleSet({ name, hosts, methods, paths }: Omit<SubstitutionRule, 'in'>): RuleSet {
  const rule = {
    origin: { source: name, line: null, column: null, text: name },
    ports: [{ first: 1, last: 65_535 }],
    protocol: 'tls',
    http: { methods, paths, graphql: true, websocket: true },
    serverName: 'required',
    executables: null,
    budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
  } as const
  const rules = hosts.map((pattern) => ({ ...rule, to: { kind: 'name' as const, pattern } }))
  return { author: 'request', source: name, rules, observes: false, place: '' }
}
