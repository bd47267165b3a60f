// SPDX-License-Identifier: Apache-2.0
import type { TreeHead } from '../contract.ts'
import type { WitnessStatement } from '../policy/evaluate-policy.ts'
import type { Finding, FindingKind, Findings } from './finding.ts'
import type { LogReport } from './verify-log.ts'

/**
 * What explains most comes first: a key that is not the log's explains every later difference, an entry that is not the one
 * of its tile is known exactly, gaps and silence are what is left when every hash is right.
 */
const BY_WEIGHT: readonly FindingKind[] = [
  'checkpoint-missing',
  'checkpoint-malformed',
  'origin-wrong',
  'signature-wrong',
  'checkpoint-unsigned',
  'epoch-wrong',
  'head-ahead',
  'head-different',
  'checkpoint-behind',
  'entry-wrong',
  'bundle-missing',
  'bundle-malformed',
  'tile-wrong',
  'tile-missing',
  'root-wrong',
  'seal-wrong',
  'entry-unexpected',
  'entry-absent',
  'sequence-gap',
  'sequence-repeated',
  'source-unopened',
  'source-reopened',
  'source-count-wrong',
  'job-count-wrong',
  'entry-malformed',
  'quorum-missed',
  'stale',
  'durable-wrong',
  'events-dropped',
  'head-unchecked',
  'clock-stepped',
]

export interface Conclusion {
  readonly head: TreeHead | null
  readonly witnesses: readonly WitnessStatement[]
  readonly findings: Findings
  readonly entriesChecked: number
  readonly unpublished: TreeHead | null
  readonly openSources: readonly string[]
  readonly archivedTo: number
  readonly holdsDigest: string | null
}

export function conclude({ head, witnesses, findings, entriesChecked, unpublished, ...said }: Conclusion): LogReport {
  const sorted = findings.list().toSorted((a, b) => BY_WEIGHT.indexOf(a.kind) - BY_WEIGHT.indexOf(b.kind))
  const failures = sorted.filter(({ severity }) => severity === 'failure')
  return {
    isSound: failures.length === 0,
    head: head === null ? null : { size: head.size, root: head.root },
    witnesses,
    findings: sorted,
    manipulation: failures.find(({ manipulation }) => manipulation !== null)?.manipulation ?? null,
    firstWrong: firstWrong(failures),
    entriesChecked,
    unpublished,
    ...said,
  }
}

/** The narrowest answer, and of those the first. */
function firstWrong(failures: readonly Finding[]): LogReport['firstWrong'] {
  const places = failures.flatMap(({ entries }) => (entries === null ? [] : [entries]))
  const [best] = places.toSorted((a, b) => a.last - a.first - (b.last - b.first) || a.first - b.first)
  return best ?? null
}
