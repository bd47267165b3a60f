// SPDX-License-Identifier: Apache-2.0
import type { AuditReport } from '@sallyport/agent'
import { ExitCode, formatDuration, parseDurationMs } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { fileOf } from '../options/egress.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit verify
  sallyport audit verify --remember /media/usb/head   the file is made, and then moved on by every check that finds nothing
  sallyport audit verify /mnt/copy/audit --key "$(cat log.vkey)"
  sallyport audit verify /mnt/copy/audit --policy log.policy --fresh 2h

Every entry is hashed again, every tile is built again. The log is taken as it stands; what is durable in the state directory's own log and has
no checkpoint is checked, too, and published if nothing is wrong. A log that is named as a directory stays as it is. Without --remember or a
witness, a log that was cut off or written anew as a whole by somebody who has its keys is not found. Exit codes: 0 nothing is wrong, 1 something is, 2 there is no log, or no key,
6 a file beside the log, such as the signer's, cannot be read.`

interface VerifyFlags extends AuditFlags {
  readonly remember?: string
  readonly policy?: string
  readonly fresh?: number
  readonly archives?: string
}

export function registerVerify(audit: Command, context: Context): void {
  const command = audit
    .command('verify')
    .argument('[dir]', 'a copy of a log (default: the log of the state directory)')
    .description('Check every entry, tile and signature of the log, and name the first that is wrong.')
    .option('--remember <file>', 'compare with the last log that was sound, and remember this one')
    .option('--policy <file>', 'witnesses to ask for, and keys of logs to trust (C2SP tlog-policy); default: STATE/audit-policy')
    .option('--fresh <duration>', 'a sign of life within it, e.g. 2h; default: 24h where there are witnesses', parseFresh)
    .option('--archives <dir>', 'archives of entries that were pruned; default: "archives" in the directory of the log')
    .option('--json', 'the report as one JSON document')
  addAuditOptions(command)
  command.addHelpText('after', EXAMPLES).action((directory: string | undefined, flags: VerifyFlags) => verify(directory, flags, context))
}

async function verify(directory: string | undefined, flags: VerifyFlags, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  const agent = await context.loadAgent()
  const report = await agent.audit.verify(auditPlaceOf(directory, flags, context), {
    remember: fileOf(flags.remember, workingDirectory),
    policy: fileOf(flags.policy, workingDirectory),
    freshnessS: flags.fresh ?? null,
    archives: fileOf(flags.archives, workingDirectory),
  })
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  stdout.write(flags.json === true ? `${jsonText(report)}\n` : renderReport(report, style))
  context.exitCode = report.sound ? ExitCode.success : ExitCode.jobFailed
}

/** Whole seconds, as witnesses count. */
function parseFresh(text: string): number {
  const ms = parseDurationMs(text)
  if (ms !== null && ms >= 1000) return Math.floor(ms / 1000)
  throw new UsageError('USAGE', `--fresh: "${text}" is not a duration of a second or longer`, { hint: 'Write it as 90s, 30m, 2h or 24h' })
}

function renderReport(report: AuditReport, style: Style): string {
  const { origin, directory, size, root, key, trust, notices } = report
  const lines = [
    ...renderFindings(report, style),
    `log   ${oneLine(origin)}, ${size === null ? 'no checkpoint' : `${size} entries`}, in ${oneLine(directory, 1000)}`,
    ...(root === null ? [] : [`root  ${root}`]),
    `key   ${key === null ? 'none: nothing was ever signed' : `${oneLine(key, 1000)} (${TRUST[trust]})`}`,
    ...report.keyChanges.map(
      ({ size, from, to }) =>
        `      changed at entry ${size}, from ${oneLine(from, 1000)} to ${oneLine(to, 1000)}: the old key vouches for it`,
    ),
    renderWitnesses(report),
    ...renderUnpublished(report, style),
    ...renderOpenRuns(report, style),
    ...notices.map((notice) => `${style.warn('notice')}: ${oneLine(notice, 1000)}`),
  ]
  return `${lines.join('\n')}\n`
}

const TRUST: Readonly<Record<AuditReport['trust'], string>> = {
  named: 'as named',
  policy: 'as the policy names it',
  remembered: 'as remembered',
  own: 'as its signer has noted it: whoever is root here can change both',
}

function renderWitnesses({ policy, witnesses }: AuditReport): string {
  if (policy === null) return 'seen  by nobody else: no policy names witnesses that would have to'
  const names = witnesses.map(({ name, at }) => `${oneLine(name)} at ${at}`)
  const asked = `quorum ${oneLine(policy.quorum)} of ${oneLine(policy.path, 1000)}, within ${formatDuration(policy.freshnessS * 1000)}`
  return `seen  by ${names.length === 0 ? 'no witness' : names.join(', ')} (${asked})`
}

function renderUnpublished({ publishedNow, unpublished }: AuditReport, style: Style): string[] {
  return [
    ...(publishedNow === 0 ? [] : [`new   ${publishedNow} of them had no checkpoint; nothing was wrong with them, and now they have`]),
    ...(unpublished === 0 ? [] : [`${style.warn('rest')}  ${unpublished} more entries are durable, and no checkpoint covers them yet`]),
  ]
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
