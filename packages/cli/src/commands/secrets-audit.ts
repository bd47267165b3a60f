// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { ManagerAuditReport, ManagerAuditRequest } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { ManagerFinding } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addOperatorOption, fileOf } from '../options/egress.ts'
import { addStateOption, collect, stateDirectoryOf } from '../options/shared.ts'
import { parseMoment } from '../options/time.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle } from '../terminal/style.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets audit --provider openbao --manager-log /var/log/openbao/audit.log --device file
  sallyport secrets audit --provider openbao --manager-log audit.log.1.gz --manager-log audit.log --since 2026-11-22
  sallyport secrets audit --provider openbao --manager-log audit.log --follow --json
  sallyport secrets audit --provider aws --manager-log cloudtrail/2026/11/22

Read are audit devices of Vault and OpenBao (JSON), and files of CloudTrail; what ends in .gz is unzipped. Compared are reads of secrets
that jobs were granted, or that the operator's file lets them have.

Exit codes: 0 nothing was found, 1 something was. Findings are in the transparency log, too (sallyport audit show --type secret.finding).`

interface AuditFlags {
  readonly provider: string
  readonly managerLog: readonly string[]
  readonly device: string
  readonly since?: string
  readonly known: readonly string[]
  readonly all?: true
  readonly follow?: true
  readonly json?: true
  readonly state?: string
  readonly config?: string
}

export function registerSecretsAudit(secrets: Command, context: Context): void {
  const command = secrets
    .command('audit')
    .description("Compare a manager's own audit log with ours: reads that went around the broker, and what the log does not show.")
    .requiredOption('--provider <name>', "whose it is, as the operator's file names it")
    .option('--manager-log <path>', 'a file, or a directory of them, the oldest first; may be repeated', collect, [])
    .option('--device <name>', 'the audit device of Vault or OpenBao that writes it', 'file')
    .option('--since <time>', 'from then on, UTC: 2026-11-22, or 2026-11-22T20:15')
    .option('--known <who>', 'an entity id, or the ARN of a user or role, whose reads are expected; may be repeated', collect, [])
    .option('--all', 'compare every secret of the provider, also those that no job may have')
    .option('--follow', 'go on with the last file until interrupted')
    .option('--json', 'JSON lines: each finding, and the report')
  addOperatorOption(command)
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: AuditFlags) => audit(flags, context))
}

async function audit(flags: AuditFlags, context: Context): Promise<void> {
  const { config, stdout, signals } = context
  if (flags.managerLog.length === 0)
    throw new UsageError('USAGE', 'No audit log of the manager was named', { hint: 'Name its files with --manager-log FILE' })
  using ended = flags.follow === true ? new UntilEnded(signals) : null
  const { secrets } = await context.loadAgent()
  const found = (finding: ManagerFinding): void => {
    context.exitCode = ExitCode.jobFailed
    stdout.write(flags.json === true ? `${JSON.stringify({ finding })}\n` : renderFinding(finding, context))
  }
  const request = requestOf(flags, context, ended?.signal ?? null)
  const report = await secrets.auditManager(stateDirectoryOf(flags, config.stateDirectory), request, found)
  stdout.write(flags.json === true ? `${JSON.stringify({ report })}\n` : renderReport(report))
}

function requestOf(flags: AuditFlags, { workingDirectory }: Context, follow: AbortSignal | null): ManagerAuditRequest {
  const { provider, managerLog, device, known } = flags
  return {
    operatorFile: fileOf(flags.config, workingDirectory),
    provider,
    logs: managerLog.map((path) => resolve(workingDirectory, path)),
    device,
    since: parseMoment('--since', flags.since),
    all: flags.all === true,
    known,
    follow,
  }
}

function renderFinding({ rule, severity, at, message, remedy, place }: ManagerFinding, { stdout, config }: Context): string {
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const where = [at, place].flatMap((text) => (text === null ? [] : [oneLine(text, 500)])).join('  ')
  const head = `${severity === 'high' ? style.bad(severity) : style.warn(severity)}  ${rule}  ${where}`
  return `${head}\n  ${oneLine(message, 2000)}\n  ${oneLine(remedy, 500)}\n`
}

function renderReport({ provider, files, from, to, reads, ours, known, findings }: ManagerAuditReport): string {
  const reach = from === null || to === null ? 'without an entry' : `from ${from} to ${to}`
  const others = known === 0 ? '' : `, ${known} were expected`
  return `${oneLine(provider)}: ${files} ${files === 1 ? 'file' : 'files'} ${reach}: ${reads} reads, ${ours} were ours${others}; ${findings} findings\n`
}
