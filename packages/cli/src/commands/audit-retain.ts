// SPDX-License-Identifier: Apache-2.0
import type { RetentionReport } from '@sallyport/agent'
import { formatSize } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { writeNotices } from '../options/retention.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit retain            what is over its time
  sallyport audit retain --apply    erases it

The file audit-retention of the state directory says how long what is kept, in days; what has no line is kept for ever:

  keep caller 30     the names of those who called
  keep output 90     what steps printed
  keep record 365    the records of runs, with what they printed, and events that are too large for the log
  keep entry 730     entries of the log: those go into an archive, with sallyport audit archive`

interface Flags {
  readonly apply?: true
  readonly dryRun?: true
  readonly state?: string
  readonly json?: true
}

export function registerAuditRetain(audit: Command, context: Context): void {
  const command = audit
    .command('retain')
    .description('Show what is over its time, or erase it.')
    .option('--dry-run', 'erase nothing (the default)')
    .option('--apply', 'erase it; the log says so')
    .option('--json', 'the report as one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => retain(flags, context))
}

async function retain(flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr, config } = context
  const applies = flags.apply === true
  if (applies && flags.dryRun === true)
    throw new UsageError('USAGE', '--apply does not go with --dry-run', { hint: 'Leave one of them out' })
  const { retention } = await context.loadAgent()
  const report = await retention.retain(stateDirectoryOf(flags, config.stateDirectory), applies)
  writeNotices(stderr, report)
  stdout.write(flags.json === true ? `${jsonText(report)}\n` : render(report, applies))
}

function render(report: RetentionReport, applies: boolean): string {
  const { file, keepDays, due, held, archivable, entries } = report
  const periods = Object.entries(keepDays).map(([kept, days]) => [kept, days === null ? 'for ever' : `${days} days`])
  const lines = [
    ...due.map(({ class: kept, sources, bytes }) => {
      const size = bytes === 0 ? '' : `, ${formatSize(bytes)} of output`
      return `${applies ? 'erased' : 'due'}: ${kept} of ${sources} ${sources === 1 ? 'run' : 'runs'}${size}`
    }),
    ...(due.length === 0 ? ['nothing is due'] : []),
    ...(held === 0 ? [] : [`held: something of ${held} ${held === 1 ? 'run' : 'runs'} that is over its time`]),
    ...(archivable === null ? [] : [`to archive: entries ${archivable.first} to ${archivable.end - 1}, with sallyport audit archive`]),
    ...(entries.length === 0 ? [] : [`in the log as ${entries.length === 1 ? 'entry' : 'entries'} ${entries.join(', ')}`]),
    ...(due.length === 0 || applies ? [] : ['nothing was erased: that takes --apply']),
  ]
  return `${renderTable(periods)}as of ${oneLine(file, 1000)}\n${lines.join('\n')}\n`
}
