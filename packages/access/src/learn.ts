// SPDX-License-Identifier: Apache-2.0
import { compareText, distinct } from './compare-text.ts'
import type { DoorUse } from './contract.ts'
import { isFlaw } from './host-pattern.ts'
import { joinRequests, type LearnedCondition } from './learned-conditions.ts'
import { formatLearned, type LearnedFile, type LearnedRule, type LearnedSteps } from './learned-file.ts'
import type { Recording } from './recording.ts'
import { parseDestination } from './rule-syntax.ts'

/**
 * The smallest `sallyport.yml` that allows what was recorded: a rule for each destination, of the step that used it where only one with an `id` did,
 * else of its job; with methods and paths where the gate saw every request. Hosts are never generalised. The same recordings give the same text.
 *
 * Names and paths were chosen by jobs: the result is for a person to read before it is approved.
 */
export function learn(recordings: readonly Recording[]): string {
  const jobs = [...Map.groupBy(recordings, ({ job }) => job)].sort(([left], [right]) => compareText(left, right))
  const file: LearnedFile = {
    runs: distinct(recordings.map(({ run }) => run)),
    workflows: distinct(recordings.map(({ workflow }) => workflow)),
    jobs: jobs.map(([id, ofJob]) => ({ id, ...learnJob(ofJob) })).filter(({ rules, steps }) => rules.length > 0 || steps.length > 0),
    impossible: distinct(
      recordings.flatMap(({ uses }) => uses.filter((use) => isFlaw(parseDestination(use.host))).map(({ host }) => host)),
    ),
  }
  return formatLearned(file)
}

/** What one job did with one destination. */
interface Door {
  readonly uses: readonly { readonly use: DoorUse; readonly step: string | null }[]
  /** The only step that used it, if that has an id. */
  readonly owner: string | null
}

type StepUse = Door['uses'][number]

function learnJob(recordings: readonly Recording[]): { readonly rules: readonly LearnedRule[]; readonly steps: readonly LearnedSteps[] } {
  const uses = recordings
    .flatMap(({ step, uses: ofStep }) => ofStep.map((use) => ({ use, step })))
    .filter(({ use }) => !isFlaw(parseDestination(use.host)))
  const anyBytes = doorsOf(uses.filter(({ use }) => use.protocol === 'tcp'))
  const others = doorsOf(uses.filter((one) => one.use.protocol !== 'tcp' && !anyBytes.some((door) => includesUse(door, one))))
  const byOwner = Map.groupBy([...anyBytes, ...others], ({ owner }) => owner)
  const owners = distinct([...byOwner.keys()].filter((owner) => owner !== null))
  return {
    rules: rulesOfDoors(byOwner.get(null) ?? []),
    steps: owners.map((id) => ({ id, rules: rulesOfDoors(byOwner.get(id) ?? []) })),
  }
}

function doorsOf(uses: readonly StepUse[]): readonly Door[] {
  return [...Map.groupBy(uses, ({ use: { host, port, protocol } }) => JSON.stringify([host, port, protocol])).values()].map(doorOf)
}

/** A rule for any bytes is one for every protocol, where it holds. */
function includesUse({ uses: [outer], owner }: Door, { use, step }: StepUse): boolean {
  return use.protocol !== 'udp' && use.host === outer?.use.host && use.port === outer.use.port && (owner === null || owner === step)
}

function doorOf(uses: Door['uses']): Door {
  const steps = new Set(uses.map(({ step }) => step))
  const [only = null] = steps
  return { uses, owner: steps.size === 1 ? only : null }
}

/** Doors that differ in their port alone are one rule. */
function rulesOfDoors(doors: readonly Door[]): readonly LearnedRule[] {
  const parts: readonly Part[] = doors.flatMap(({ uses }) =>
    joinRequests(uses.map(({ use }) => use)).map((condition) => ({ uses, condition })),
  )
  const sameButPort = Map.groupBy(parts, ({ uses, condition }) => JSON.stringify([uses[0]?.use.host, uses[0]?.use.protocol, condition]))
  return [...sameButPort.values()].flatMap(ruleOf).sort(compareRules)
}

interface Part {
  readonly uses: Door['uses']
  readonly condition: LearnedCondition | null
}

function ruleOf(parts: readonly Part[]): readonly LearnedRule[] {
  const uses = parts.flatMap((part) => part.uses)
  const [first] = uses
  if (first === undefined) return []
  const { host, protocol } = first.use
  const sum = (count: (use: DoorUse) => number): number => uses.reduce((total, { use }) => total + count(use), 0)
  const rule = {
    host,
    protocol,
    ports: [...new Set(uses.map(({ use }) => use.port))].sort((a, b) => a - b),
    condition: parts[0]?.condition ?? null,
    steps: distinct(uses.map(({ step }) => step).filter((step) => step !== null)),
    connections: sum(({ connections }) => connections),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    bytesIn: sum(({ bytesIn }) => bytesIn),
  }
  return [rule]
}

function compareRules(left: LearnedRule, right: LearnedRule): number {
  const difference = compareText(left.host, right.host) || (left.ports[0] ?? 0) - (right.ports[0] ?? 0)
  return difference || compareText(JSON.stringify([left.protocol, left.condition]), JSON.stringify([right.protocol, right.condition]))
}
