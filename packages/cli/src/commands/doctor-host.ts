// SPDX-License-Identifier: Apache-2.0
import type { HostFinding, HostReport } from '@sallyport/agent'
import { oneLine } from '../terminal/sanitize.ts'
import type { Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'

const SIGNS: Readonly<Record<HostFinding['state'], (style: Style) => string>> = {
  ok: (style) => style.good('✓'),
  warning: (style) => style.warn('!'),
  missing: (style) => style.bad('✗'),
  unknown: (style) => style.warn('?'),
}

/** Paths, versions and what the kernel says come from the host, and some of them from whoever made a file there: one line each, without control characters. */
export function renderHost({ findings, drift, hardened }: HostReport, style: Style): string {
  const groups = [...Map.groupBy(findings, ({ group }) => group)].map(([group, members]) => renderGroup(group, members, style))
  const count = (state: HostFinding['state']): number => findings.filter((finding) => finding.state === state).length
  const sum = `${count('missing')} missing, ${count('warning')} to improve, ${count('unknown')} unknown`
  const end = hardened ? `${style.good('hardened')}: ${sum}\n` : `${style.bad('not hardened')}: see the lines marked ✗ (${sum})\n`
  return [...groups, renderDrift(drift, style), end].join('\n')
}

function renderGroup(group: string, members: readonly HostFinding[], style: Style): string {
  const rows = members.map(({ name, state, found }) => [`${SIGNS[state](style)} ${oneLine(name)}`, oneLine(found, 1000)])
  const fixes = members.filter(({ fix }) => fix !== null).map(({ name, fix }) => `  ${oneLine(name)}: ${oneLine(fix ?? '', 4000)}\n`)
  return `${style.bold(group)}\n${renderTable(rows)}${fixes.length === 0 ? '' : `  To do:\n${fixes.map((fix) => `  ${fix}`).join('')}`}`
}

function renderDrift(drift: HostReport['drift'], style: Style): string {
  if (drift === null) return `${style.bold('changes')}\n  this is the first check\n`
  if (drift.changes.length === 0) return `${style.bold('changes')}\n  none since ${oneLine(drift.since)}\n`
  const rows = drift.changes.map(
    ({ id, was, is }) => `  ${oneLine(id)}: ${oneLine(was ?? 'not looked at', 400)} → ${oneLine(is ?? 'not looked at', 400)}\n`,
  )
  return `${style.bold(`changes since ${oneLine(drift.since)}`)}\n${rows.join('')}`
}
