// SPDX-License-Identifier: Apache-2.0
import { normalisePath } from './normal-path.ts'
import { matchesPath, type PathPattern } from './path-pattern.ts'
import type { GrantConditions, GrantFacts } from './secret-contract.ts'

/** The first kind of fact that is another, or null. A fact that is unknown is another. */
export function unmetCondition({ refs, events, environments, actors }: GrantConditions, facts: GrantFacts): keyof GrantConditions | null {
  if (refs !== null && !isOneOf(refs, facts.ref)) return 'refs'
  if (events !== null && !events.includes(facts.event)) return 'events'
  if (environments !== null && (facts.environment === null || !environments.includes(facts.environment))) return 'environments'
  return actors !== null && (facts.actor === null || !actors.includes(facts.actor)) ? 'actors' : null
}

export function isOneOf(patterns: readonly PathPattern[], text: string | null): boolean {
  const path = text === null ? null : normalisePath(`/${text}`)
  return path?.ok === true && patterns.some((pattern) => matchesPath(pattern, path.path))
}
