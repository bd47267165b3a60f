// SPDX-License-Identifier: Apache-2.0
import { formatDuration, formatSize, printable } from '@sallyport/core'
import type { AccessFile } from './access-file.ts'
import type { Budget, EgressRule, HttpCondition } from './contract.ts'
import { describeGrant, describeIdentity } from './describe-grant.ts'
import { describePublish } from './describe-publish.ts'
import { type EgressEntry, rulesOf } from './egress-entry.ts'
import { formatName } from './host-pattern.ts'
import { formatPath } from './path-pattern.ts'
import { formatPortRange } from './port-range.ts'
import { formatOrigin } from './refuse.ts'

/** One thing that a file asks for. */
export interface Ask {
  /** Null: for every job. */
  readonly job: string | null
  /** Null: for every step of the job. */
  readonly step: string | null
  readonly text: string
  /** `file:line`, or null for what is no rule. */
  readonly rule: string | null
}

/** What a person approves, in the order of the file. Presets are expanded first: their hosts are what is asked for. */
export function asksOf(file: AccessFile): readonly Ask[] {
  const limits = limitTexts(file).map((text): Ask => ({ job: null, step: null, text, rule: null }))
  const jobs = file.jobs.flatMap(({ id, egress, steps, publish }) => [
    ...asksIn(egress, id, null),
    ...steps.flatMap((step) => [
      ...asksIn(step.egress, id, step.id),
      ...step.secrets.map((grant): Ask => ({ job: id, step: step.id, ...describeGrant(grant, file.secrets) })),
      ...(step.identity === null ? [] : [{ job: id, step: step.id, ...describeIdentity(step.identity) }]),
    ]),
    ...publish.map((entry): Ask => ({ job: id, step: null, ...describePublish(entry, file.secrets) })),
  ])
  const image = file.image === null ? [] : [{ job: null, step: null, text: `to run in the image ${file.image}`, rule: null }]
  return [...image, ...limits, ...asksIn(file.egress, null, null), ...jobs]
}

function asksIn(entries: readonly EgressEntry[], job: string | null, step: string | null): readonly Ask[] {
  return rulesOf(entries).map((rule) => ({ job, step, text: formatRule(rule), rule: formatOrigin(rule.origin) }))
}

function limitTexts({ limits: { cpu, memoryBytes, pids, diskBytes, timeMs } }: AccessFile): readonly string[] {
  return [
    cpu === undefined ? '' : `${cpu} CPUs`,
    memoryBytes === undefined ? '' : `${formatSize(memoryBytes)} of memory`,
    pids === undefined ? '' : `${pids} processes`,
    diskBytes === undefined ? '' : `${formatSize(diskBytes)} of disk`,
    timeMs === undefined ? '' : `${formatDuration(timeMs)} of time`,
  ].filter((text) => text !== '')
}

/** `registry.example.test:443 (tls)`, with everything that narrows it. */
export function formatRule({ to, ports, protocol, http, serverName, executables, budget, origin }: EgressRule): string {
  const host = to.kind === 'name' ? formatName(to.pattern) : to.cidr.replace(/^([^:]*)\/32$|^(.*)\/128$/, '$1$2')
  const doors = `${host.includes(':') ? `[${host}]` : host}:${ports.map(formatPortRange).join(',')}`
  const how = [
    protocol,
    ...(http !== null && protocol === 'tls' ? ['terminated'] : []),
    ...(serverName === 'any' ? ['any server name'] : []),
  ]
  const narrowings = [
    http === null ? '' : formatCondition(http),
    executables === null ? '' : `only ${executables.map(printable).join(', ')}`,
    formatBudget(budget),
    origin.text.startsWith('preset: ') ? `from ${origin.text}` : '',
  ]
  return [`${doors} (${how.join(', ')})`, ...narrowings.filter((text) => text !== '')].join('; ')
}

function formatCondition({ methods, paths, graphql, websocket }: HttpCondition): string {
  const what = [methods === null ? 'every method' : methods.join(', '), paths === null ? 'every path' : paths.map(formatPath).join(', ')]
  return [what.join(' '), graphql ? 'GraphQL' : '', websocket ? 'websockets' : ''].filter((text) => text !== '').join(', ')
}

function formatBudget({ bytesOut, bytesIn, bytesPerSecond }: Budget): string {
  return [
    bytesOut === null ? '' : `at most ${formatSize(bytesOut)} out`,
    bytesIn === null ? '' : `at most ${formatSize(bytesIn)} in`,
    bytesPerSecond === null ? '' : `at most ${formatSize(bytesPerSecond)} a second`,
  ]
    .filter((text) => text !== '')
    .join(', ')
}
