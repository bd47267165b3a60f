// SPDX-License-Identifier: Apache-2.0
import { formatSize } from '@sallyport/core'
import { type AccessFile, entriesOf } from './access-file.ts'
import type { DoorUse, EgressRule, Refusal, RuleSet, SeenRequest } from './contract.ts'
import { decideConnection, decideRequest, dependsOnRequests, narrowToProtocol } from './decide.ts'
import { rulesOf } from './egress-entry.ts'
import { factsOf, isSilent, isTruncated, pathOf, type Recording, targetOf, UNKNOWN_PATH } from './recording.ts'
import { formatOrigin, formatTarget, shown } from './refuse.ts'
import { requestSet } from './rule-sets.ts'

export interface Replay {
  readonly sufficient: boolean
  /** What was done and would be refused; one of a kind for each step. */
  readonly missing: readonly MissingAccess[]
  /** Rules that nothing needed. */
  readonly unused: readonly { readonly rule: string; readonly text: string }[]
  /** What the recordings cannot tell. */
  readonly notices: readonly string[]
}

export interface MissingAccess {
  readonly run: string
  readonly job: string
  readonly step: string | null
  readonly target: string
  readonly reason: string
  readonly remedy: string | null
}

/** Whether the file would have allowed all that was recorded. Presets have to be expanded. */
export function replay(file: AccessFile, recordings: readonly Recording[]): Replay {
  const ledger = new Ledger()
  for (const recording of recordings) replayStep(file, recording, ledger)
  ledger.checkBudgets()
  const unused = rulesOf(entriesOf(file)).filter(({ origin }) => !ledger.isUsed(formatPlace(origin)))
  const byPlace = new Map(unused.map(({ origin }) => [formatPlace(origin), { rule: formatOrigin(origin), text: origin.text }]))
  return { sufficient: ledger.missing.length === 0, missing: ledger.missing, unused: [...byPlace.values()], notices: ledger.notices }
}

function formatPlace({ line, column }: EgressRule['origin']): string {
  return `${line}:${column}`
}

function replayStep(file: AccessFile, recording: Recording, ledger: Ledger): void {
  const { job, step, uses } = recording
  const sets = [requestSet({ file, source: file.source, allow: [], job, step, observes: false })]
  for (const use of uses) {
    const refusals = replayUse(sets, use, (rule) => ledger.use(rule))
    for (const refusal of refusals) ledger.miss(recording, refusal)
    const charged = decideConnection(sets, targetOf(use))
    if (charged.allowed) ledger.charge(charged.rules[0], use, recording)
    if (isTruncated(use))
      ledger.note(
        `${formatTarget(targetOf(use))} got more different requests from job ${shown(job)} than the record of run ${shown(recording.run)} holds`,
      )
  }
}

function replayUse(sets: readonly RuleSet[], use: DoorUse, used: (rule: EgressRule) => void): readonly Refusal[] {
  const decision = decideConnection(sets, targetOf(use))
  if (!decision.allowed) return [decision.refusal]
  const narrowed = narrowToProtocol(decision, use.protocol)
  if (!narrowed.allowed) return [narrowed.refusal]
  const asks = dependsOnRequests(decision, use.protocol)
  if (asks && use.requests.length === 0 && !isSilent(use)) return [unseen(use, narrowed.rule)]
  if (!asks || use.requests.length === 0) {
    if (narrowed.rule !== null) used(narrowed.rule)
    return []
  }
  return use.requests.flatMap((request) => replayRequest(sets, use, request, used) ?? [])
}

function replayRequest(sets: readonly RuleSet[], use: DoorUse, request: SeenRequest, used: (rule: EgressRule) => void): Refusal | null {
  const path = pathOf(request.path)
  const decision = decideRequest(sets, factsOf(use, request, path ?? UNKNOWN_PATH))
  if (decision.allowed && decision.rule !== null) used(decision.rule)
  if (decision.allowed) return null
  if (path !== null) return decision.refusal
  const target = shown(`${request.method} ${formatTarget(targetOf(use))}${request.path}`)
  return { ...decision.refusal, target, reason: 'the rules are for some paths, and the record does not hold the whole path', remedy: null }
}

function unseen(use: DoorUse, rule: EgressRule | null): Refusal {
  return {
    code: 'no-rule',
    target: formatTarget(targetOf(use)),
    reason: 'the rule is for some requests, and the record does not say which were made: TLS was not terminated',
    rule: rule === null ? null : formatOrigin(rule.origin),
    remedy: null,
  }
}

/** What the rules of a file were needed for. */
class Ledger {
  readonly missing: MissingAccess[] = []
  readonly notices: string[] = []
  readonly #used = new Set<string>()
  readonly #seen = new Set<string>()
  readonly #spent = new Map<string, Spending>()

  use({ origin }: EgressRule): void {
    this.#used.add(formatPlace(origin))
  }

  isUsed(place: string): boolean {
    return this.#used.has(place)
  }

  note(text: string): void {
    if (!this.notices.includes(text)) this.notices.push(text)
  }

  miss({ run, job, step }: Pick<Recording, 'run' | 'job' | 'step'>, { target, reason, remedy }: Refusal): void {
    const missing = { run, job, step, target, reason, remedy }
    const key = JSON.stringify(missing)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.missing.push(missing)
  }

  /** A budget is for a whole job of one run. */
  charge(rule: EgressRule | undefined, { bytesOut, bytesIn }: DoorUse, { run, job }: Recording): void {
    if (rule === undefined) return
    const key = JSON.stringify([run, job, formatPlace(rule.origin)])
    const before = this.#spent.get(key) ?? { rule, run, job, bytesOut: 0, bytesIn: 0 }
    this.#spent.set(key, { ...before, bytesOut: before.bytesOut + bytesOut, bytesIn: before.bytesIn + bytesIn })
  }

  checkBudgets(): void {
    for (const { rule, run, job, bytesOut, bytesIn } of this.#spent.values()) {
      const { budget, origin } = rule
      const over = [
        budget.bytesOut !== null && bytesOut > budget.bytesOut
          ? `${formatSize(bytesOut)} went out, and ${formatSize(budget.bytesOut)} may`
          : '',
        budget.bytesIn !== null && bytesIn > budget.bytesIn ? `${formatSize(bytesIn)} came in, and ${formatSize(budget.bytesIn)} may` : '',
      ].filter((text) => text !== '')
      const place = formatOrigin(origin)
      for (const reason of over)
        this.miss(
          { run, job, step: null },
          { code: 'budget', target: origin.text, reason, rule: place, remedy: `raise the budget at ${place}` },
        )
    }
  }
}

interface Spending {
  readonly rule: EgressRule
  readonly run: string
  readonly job: string
  readonly bytesOut: number
  readonly bytesIn: number
}
