// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { ExitCode } from '@sallyport/core'
import type { ExportProgress, ExportTarget } from '@sallyport/log-export'
import { type Command, Option } from 'commander'
import type { Context } from '../context.ts'
import { ExportReport } from '../export-report.ts'
import { openTarget, TARGET_KINDS, type TargetFlags, targetName } from '../options/export-target.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit export --to jsonl --once | jq .entry.type
  sallyport audit export --to ocsf /var/log/sallyport.ocsf.jsonl
  sallyport audit export --to syslog tls://siem.example.test:6514 --ca siem-ca.pem
  sallyport audit export --to otlp https://collector.example.test:4318/v1/logs --headers token.txt

It reads the published log, and goes on after the entry that the target has, which stands in a file below the state directory. Nothing waits
for a target: what it does not take stays in the log, and is sent again. Entries come at least once and in order; receivers know them by
their index. What was pruned before it was exported is told as a gap. Without --once it follows the log until SIGINT or SIGTERM.
Exit codes: 0 exported, or ended by a signal; 6 it could not go on.`

interface Flags extends TargetFlags {
  readonly once?: true
  readonly name?: string
  readonly state?: string
  readonly json?: true
}

export function registerAuditExport(audit: Command, context: Context): void {
  const command = audit
    .command('export')
    .argument('[destination]', 'a file, tcp://HOST:PORT or tls://HOST:PORT, or a URL; stdout for jsonl and ocsf without one')
    .description('Send the entries of the log to what watches it elsewhere.')
    .addOption(new Option('--to <kind>', 'kind of target').choices(TARGET_KINDS).makeOptionMandatory())
    .addOption(new Option('--format <format>', 'of syslog messages').choices(['jsonl', 'ocsf']).default('jsonl'))
    .option('--ca <file>', "certificates (PEM) that the receiver is verified with, in place of the system's")
    .option('--headers <file>', 'lines "NAME: VALUE" that go with each request (otlp)')
    .option('--once', 'export what is published now, and end')
    .option('--name <word>', 'of the target, for its place in the log; default: made of kind and destination')
    .option('--json', 'the totals as one JSON document at the end')
  addStateOption(command)
  command
    .addHelpText('after', EXAMPLES)
    .action((destination: string | undefined, flags: Flags) => exportLog(destination ?? null, flags, context))
}

async function exportLog(destination: string | null, flags: Flags, context: Context): Promise<void> {
  if (destination === null && flags.json === true)
    throw new UsageError('USAGE', '--json prints totals on stdout, where the entries go', { hint: 'Name a file, or leave --json out' })
  const name = nameOf(destination, flags, context)
  using ended = new UntilEnded(context.signals)
  const target = await openTarget(destination, flags, context)
  try {
    if (destination === null) context.onStdoutClosed = () => ended.end()
    await exportTo(target, name, flags, { context, ended })
  } finally {
    context.onStdoutClosed = null
    await target[Symbol.asyncDispose]?.()
  }
}

interface Surroundings {
  readonly context: Context
  readonly ended: UntilEnded
}

async function exportTo(target: ExportTarget, name: string, flags: Flags, { context, ended }: Surroundings): Promise<void> {
  const [{ LogExporter }, { directoryTileSource }, { auditPlaces }] = await Promise.all([
    import('@sallyport/log-export'),
    import('@sallyport/store'),
    import('@sallyport/agent'),
  ])
  const state = stateDirectoryOf(flags, context.config.stateDirectory)
  const source = directoryTileSource(join(auditPlaces(state).log, 'log'))
  const say = (line: string): void => context.stderr.write(`sallyport: ${oneLine(line, 2000)}\n`)
  const report = new ExportReport(say)
  const onProgress = (progress: ExportProgress): void => report.add(progress)
  await using exporter = await LogExporter.open({ source, target, directory: join(state, 'export'), name, onProgress })
  report.begin(exporter.totals)
  if (flags.once !== true) say(`exporting the log to "${name}" as it grows; SIGINT ends it`)
  try {
    await (flags.once === true ? exporter.runOnce(ended.signal) : exporter.follow(ended.signal))
  } catch (error) {
    if (!ended.signal.aborted) throw error
    context.exitCode = ExitCode.interrupted
  } finally {
    say(report.summary(name))
  }
  if (flags.json === true) context.stdout.write(`${jsonText({ name, ...report.latest })}\n`)
}

function nameOf(destination: string | null, flags: Flags, context: Context): string {
  if (flags.name === undefined) return targetName(destination, flags, context)
  if (/^[a-z0-9][a-z0-9-]{0,63}$/.test(flags.name)) return flags.name
  throw new UsageError('USAGE', `--name: "${flags.name}" is no word for a target`, { hint: 'Write lower-case letters, digits and hyphens' })
}
