// SPDX-License-Identifier: Apache-2.0
import type { AuditReport } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { fileOf } from '../options/egress.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'

const EXAMPLES = `
Examples:
  sallyport audit verify
  sallyport audit verify --remember /media/usb/head   the file is made, and then moved on by every check that finds nothing
  sallyport audit verify /mnt/copy/audit --key "$(cat log.vkey)"

Every entry is hashed again, every tile is built again. Without --remember or a witness, a log that was cut off or written anew as a whole
by somebody who has its keys is not found. Exit codes: 0 nothing is wrong, 1 something is, 2 there is no log, or no key.`

interface VerifyFlags extends AuditFlags {
  readonly remember?: string
}

export function registerVerify(audit: Command, context: Context): void {
  const command = audit
    .command('verify')
    .argument('[dir]', 'a copy of a log (default: the log of the state directory)')
    .description('Check every entry, tile and signature of the log, and name the first that is wrong.')
    .option('--remember <file>', 'compare with the last log that was sound, and remember this one')
    .option('--json', 'the report as one JSON document')
  addAuditOptions(command)
  command.addHelpText('after', EXAMPLES).action((directory: string | undefined, flags: VerifyFlags) => verify(directory, flags, context))
}

async function verify(directory: string | undefined, flags: VerifyFlags, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  const agent = await context.loadAgent()
  const report = await agent.audit.verify(auditPlaceOf(directory, flags, context), fileOf(flags.remember, workingDirectory))
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : renderReport(report, style))
  context.exitCode = report.sound ? ExitCode.success : ExitCode.jobFailed
}

function renderReport(report: AuditReport, style: Style): string {
  const { origin, directory, size, root, key, trust, notices } = report
  const lines = [
    ...renderFindings(report, style),
    `log   ${oneLine(origin)}, ${size === null ? 'no checkpoint' : `${size} entries`}, in ${oneLine(directory, 1000)}`,
    ...(root === null ? [] : [`root  ${root}`]),
    `key   ${oneLine(key, 1000)} (${TRUST[trust]})`,
    ...renderOpenRuns(report, style),
    ...notices.map((notice) => `${style.warn('notice')}: ${oneLine(notice, 1000)}`),
  ]
  return `${lines.join('\n')}\n`
}

const TRUST: Readonly<Record<AuditReport['trust'], string>> = {
  named: 'as named',
  remembered: 'as remembered',
  own: 'as its signer has noted it: whoever is root here can change both',
}

function renderFindings({ sound, findings, manipulation, firstWrong, entriesChecked }: AuditReport, style: Style): string[] {
  const rows = findings.map(({ severity, kind, message, count }) => {
    const more = count > 1 ? ` (and ${count - 1} more of this kind)` : ''
    return `  ${severity === 'failure' ? style.bad('✗') : style.warn('!')} ${kind}: ${oneLine(message, 1000)}${more}`
  })
  if (sound) return [`${style.good('sound')}: ${entriesChecked} entries are those that were signed`, ...rows]
  return [`${style.bad('not sound')}: ${manipulation ?? 'damaged'}${placeOf(firstWrong)}`, ...rows]
}

function placeOf(wrong: AuditReport['firstWrong']): string {
  if (wrong === null) return ''
  return wrong.first === wrong.last
    ? `, the first wrong entry is ${wrong.first}`
    : `, from one of the entries ${wrong.first} to ${wrong.last} on`
}

function renderOpenRuns({ openRuns }: AuditReport, style: Style): string[] {
  return openRuns.map(({ run, state }) => `${style.warn('open')}  run ${oneLine(run)} ${OPEN[state]}`)
}

const OPEN: Readonly<Record<AuditReport['openRuns'][number]['state'], string>> = {
  running: 'is still running',
  'cut-off': 'was cut off: its process ended without an end of the run, as in a crash',
  'ended-elsewhere': 'has an end in its record and none in the log: the log could not be written then, or was kept from it',
  unknown: 'has no end in the log, and no record here that says why',
}
