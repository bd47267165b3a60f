// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { ArchiveCheck } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { fileOf } from '../options/egress.ts'
import { writeNotices } from '../options/retention.ts'
import { parseMoment } from '../options/time.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit archive                                  as the line "keep entry DAYS" of audit-retention says
  sallyport audit archive --before 2026-01-01 -o /mnt/archive/2025
  sallyport audit archive --verify /mnt/archive/2025 --key "$(cat log.vkey)"

The oldest entries, 256 at a time, go into a directory that verifies by itself: it has their bundles and tiles, a signed checkpoint, and the
proof that leads there. The log lets go of them when that is durable and was checked; proofs of later entries, and those that were given out,
still hold. Archives in audit/archives of the state directory are read with the log. Exit code 1: an archive is not what was signed.`

interface Flags extends AuditFlags {
  readonly before?: string
  readonly output?: string
  readonly verify?: string
}

export function registerAuditArchive(audit: Command, context: Context): void {
  const command = audit
    .command('archive')
    .description('Move the oldest entries of the log into a sealed archive, or check one.')
    .option('--before <time>', 'entries from before then, UTC, instead of the period of audit-retention')
    .option('-o, --output <dir>', 'where the archive goes (default: audit/archives of the state directory)')
    .option('--verify <dir>', 'check an archive, change nothing')
    .option('--json', 'one JSON document')
  addAuditOptions(command)
  command
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => (flags.verify === undefined ? archive(flags, context) : verify(flags, context)))
}

async function archive(flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr, workingDirectory } = context
  if (flags.key !== undefined)
    throw new UsageError('USAGE', '--key is for --verify', { hint: 'A log is archived where its keys are known' })
  const { stateDirectory } = auditPlaceOf(undefined, flags, context)
  const request = { archive: fileOf(flags.output, workingDirectory), before: parseMoment('--before', flags.before) }
  const { retention } = await context.loadAgent()
  const { made } = await retention.archive(stateDirectory, request)
  if (made !== null) writeNotices(stderr, made)
  if (flags.json === true) return stdout.write(`${jsonText(made)}\n`)
  stdout.write(
    made === null
      ? 'nothing to archive: no 256 entries at the beginning of the log are over their time, and free of holds\n'
      : `archived: entries ${made.first} to ${made.end - 1}, in ${oneLine(made.archive, 1000)} (entry ${made.entry})\n`,
  )
}

async function verify(flags: Flags, context: Context): Promise<void> {
  const { stdout, workingDirectory, config } = context
  if (flags.before !== undefined || flags.output !== undefined)
    throw new UsageError('USAGE', '--verify does not go with --before and --output', { hint: 'Check first, archive then' })
  const { retention } = await context.loadAgent()
  const check = await retention.verifyArchive(auditPlaceOf(undefined, flags, context), resolve(workingDirectory, flags.verify ?? ''))
  context.exitCode = check.problem === null ? ExitCode.success : ExitCode.jobFailed
  if (flags.json === true) return stdout.write(`${jsonText(check)}\n`)
  stdout.write(`${renderCheck(check, createStyle(stdout.isTerminal && config.allowsColor))}\n`)
}

function renderCheck({ problem, range, size, inLog }: ArchiveCheck, style: Style): string {
  if (problem !== null || range === null) return `${style.bad('not sound')}: ${oneLine(problem ?? '', 1000)}`
  const relation = inLog === true ? ', and the log here has grown from there' : ''
  return `${style.good('sound')}: entries ${range.first} to ${range.end - 1} are those of the signed tree of ${size}${relation}`
}
