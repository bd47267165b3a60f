// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import type { EgressRule } from './contract.ts'
import { rulesOf } from './egress-entry.ts'
import { formatOrigin } from './refuse.ts'
import { vainConditions } from './vain-conditions.ts'

/**
 * Conditions that have no effect on this machine, because of the hosts of a preset or of what somebody typed: no fault of the file, but it must
 * not go unsaid. For people, one sentence each.
 *
 * @param file With its presets expanded.
 * @param allow Of the command line: it holds for every job.
 */
export function vainNotices({ egress, jobs }: Pick<AccessFile, 'egress' | 'jobs'>, allow: readonly EgressRule[]): readonly string[] {
  const places = [
    { own: egress, around: [] },
    ...jobs.flatMap((job) => [
      { own: job.egress, around: egress },
      ...job.steps.map((step) => ({ own: step.egress, around: [...egress, ...job.egress] })),
    ]),
  ]
  const found = places.flatMap(({ own, around }) => vainConditions(rulesOf(own), [...allow, ...rulesOf(around)]))
  return found.map(({ rule, message }) => `${formatOrigin(rule.origin)}: ${message}`)
}
