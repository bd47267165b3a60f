// SPDX-License-Identifier: Apache-2.0
import type { Budget, EgressRule, HttpCondition, RuleOrigin } from './contract.ts'

export const PRESET_NAMES = ['npm', 'pip', 'go', 'apt', 'cargo', 'maven', 'git'] as const

export type PresetName = (typeof PRESET_NAMES)[number]

/** What holds for each rule that the preset becomes. */
export interface PresetRequest {
  readonly name: PresetName
  readonly origin: RuleOrigin
  readonly http: HttpCondition | null
  readonly executables: readonly string[] | null
  readonly budget: Budget
}

/** One item of an `egress` list. Which hosts a preset means is only known on the machine that the file is used on. */
export type EgressEntry = { readonly kind: 'rule'; readonly rule: EgressRule } | { readonly kind: 'preset'; readonly preset: PresetRequest }

export function rulesOf(entries: readonly EgressEntry[]): readonly EgressRule[] {
  return entries.flatMap((entry) => (entry.kind === 'rule' ? [entry.rule] : []))
}
