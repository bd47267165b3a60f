// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { EgressRule } from './contract.ts'
import { formatName, intersectNames } from './host-pattern.ts'
import { carries } from './match-rule.ts'
import { formatOrigin } from './refuse.ts'
import type { TreeReader } from './tree-reader.ts'

/**
 * What one rule allows is allowed: methods and paths of a rule mean nothing beside another that lets everything through to the same host.
 * Somebody who reads such a file believes in a wall that is not there.
 *
 * @param around Rules that hold wherever `rules` do.
 */
export function checkVainConditions(rules: readonly EgressRule[], around: readonly EgressRule[], reader: TreeReader): void {
  for (const { rule, message } of vainConditions(rules, around)) {
    const { source: file, line, column } = rule.origin
    reader.invalid({ file, line: line ?? 1, column: column ?? 1 }, message, 'take that rule away, or narrow it')
  }
}

/** Rules whose conditions have no effect, and why. */
export function vainConditions(
  rules: readonly EgressRule[],
  around: readonly EgressRule[],
): readonly { readonly rule: EgressRule; readonly message: string }[] {
  return rules.flatMap((rule) => {
    const wider = rule.http === null ? undefined : [...around, ...rules].find((other) => letsAllThrough(other, rule))
    if (wider === undefined || rule.to.kind !== 'name') return []
    const by = `${quote(wider.origin.text)} (${formatOrigin(wider.origin)})`
    return [
      {
        rule,
        message: `the methods and paths of this rule have no effect: ${by} lets everything through to ${formatName(rule.to.pattern)}`,
      },
    ]
  })
}

function letsAllThrough(wider: EgressRule, rule: EgressRule): boolean {
  if (wider.http !== null || wider.executables !== null || !carries(wider, rule.protocol)) return false
  if (wider.to.kind !== 'name' || rule.to.kind !== 'name') return false
  const shared = intersectNames(rule.to.pattern, wider.to.pattern)
  const isWithin = shared?.kind === rule.to.pattern.kind && shared.name === rule.to.pattern.name
  return isWithin && rule.ports.every(({ first, last }) => wider.ports.some((range) => range.first <= first && range.last >= last))
}
