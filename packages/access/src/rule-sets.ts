// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import type { EgressRule, HttpCondition, NamePattern, RuleSet } from './contract.ts'
import { type EgressEntry, rulesOf } from './egress-entry.ts'
import { intersectNames } from './host-pattern.ts'
import { carries } from './match-rule.ts'
import type { OperatorFile } from './operator-file.ts'

export interface RequestOptions {
  /** With its presets expanded; null: there is none. */
  readonly file: AccessFile | null
  /** The file that a remedy names, also where there is none yet; null where no file is read (`exec`): then it names the option. */
  readonly source: string | null
  /** Of the command line. */
  readonly allow: readonly EgressRule[]
  /** Its key in the workflow; null where there is no workflow. */
  readonly job: string | null
  /** Its `id` in the workflow, or null. */
  readonly step: string | null
  /** `--egress observe`: this set refuses nothing. The ceiling still does. */
  readonly observes: boolean
}

/** What one step may ask for: the file's rules for every job, for its job and for itself, and those of the command line. */
export function requestSet({ file, source, allow, job, step, observes }: RequestOptions): RuleSet {
  const ofJob = file?.jobs.find(({ id }) => id === job)
  const ofStep = step === null ? undefined : ofJob?.steps.find(({ id }) => id === step)
  return {
    author: 'request',
    source: source ?? '--allow',
    rules: [...expanded(file?.egress), ...expanded(ofJob?.egress), ...expanded(ofStep?.egress), ...allow],
    observes,
    place: job === null ? 'egress' : `jobs.${job}.egress`,
  }
}

/** Null when the operator sets no ceiling on destinations. */
export function ceilingSet({ source, egress: { allow } }: OperatorFile): RuleSet | null {
  return allow === null ? null : { author: 'ceiling', source, rules: expanded(allow), observes: false, place: 'egress.allow' }
}

/**
 * The same rules, but TLS to these names is terminated: a placeholder is put in there. What may be asked for stays: every method and path, and what else
 * a rule without a condition allows.
 */
export function terminatingSet(set: RuleSet, names: readonly NamePattern[]): RuleSet {
  return { ...set, rules: set.rules.map((rule) => (isToTerminate(rule, names) ? { ...rule, http: EVERY_REQUEST } : rule)) }
}

const EVERY_REQUEST: HttpCondition = { methods: null, paths: null, graphql: true, websocket: true }

function isToTerminate({ to, protocol, http, serverName }: EgressRule, names: readonly NamePattern[]): boolean {
  if (protocol !== 'tls' || http !== null || serverName === 'any' || to.kind !== 'name') return false
  return names.some((name) => intersectNames(name, to.pattern) !== null)
}

function expanded(entries: readonly EgressEntry[] = []): readonly EgressRule[] {
  const preset = entries.find((entry) => entry.kind === 'preset')
  if (preset !== undefined) throw new TypeError(`the preset ${preset.preset.name} is not expanded`)
  return rulesOf(entries)
}

/**
 * Every name that TLS may be terminated for, in one of these steps: what a job's own authority is constrained to.
 * `steps`: the sets of each step.
 */
export function effectiveTerminates(steps: readonly (readonly RuleSet[])[]): readonly NamePattern[] {
  const patterns = steps.flatMap(terminatesIn)
  const distinct = [...new Map(patterns.map((pattern) => [`${pattern.kind} ${pattern.name}`, pattern])).values()]
  return distinct.filter((pattern) => !distinct.some((other) => other !== pattern && intersectNames(pattern, other) === pattern))
}

/** The names of rules with an HTTP condition, as far as the other sets allow TLS to them. */
function terminatesIn(sets: readonly RuleSet[]): readonly NamePattern[] {
  const enforcing = sets.filter(({ observes }) => !observes)
  return enforcing.flatMap((set) => {
    const others = enforcing.filter((other) => other !== set)
    const own = namesOf(set, (rule) => rule.protocol === 'tls' && rule.http !== null)
    return others.reduce((patterns, other) => {
      const allowed = namesOf(other, (rule) => carries(rule, 'tls'))
      return patterns.flatMap((pattern) => allowed.map((name) => intersectNames(pattern, name)).filter((name) => name !== null))
    }, own)
  })
}

function namesOf({ rules }: RuleSet, chosen: (rule: EgressRule) => boolean): readonly NamePattern[] {
  return rules.filter(chosen).flatMap(({ to }) => (to.kind === 'name' ? [to.pattern] : []))
}
