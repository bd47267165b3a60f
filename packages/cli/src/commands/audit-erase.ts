// SPDX-License-Identifier: Apache-2.0
import type { RetentionClass } from '@sallyport/agent'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addReasonOption, parseClass, writeNotices } from '../options/retention.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit erase 20261122-2015 --reason "request 12"
  sallyport audit erase 20261122-2015 --class output --reason "a name was printed"

Who called, what the run printed, its record and what of it lies beside the log are destroyed, salts first. What stands in the log stays, and
its proofs hold; without the salt nobody can tell from a commitment what it was about. A legal hold refuses it.`

interface Flags {
  readonly class: readonly RetentionClass[]
  readonly reason: string
  readonly state?: string
  readonly json?: true
}

export function registerAuditErase(audit: Command, context: Context): void {
  const command = audit
    .command('erase')
    .argument('<run>', 'id, or its beginning')
    .description('Destroy what is kept of a run beside the log.')
    .option('--class <class>', 'only this: caller, output or record; may be repeated', collectClass, [])
    .option('--json', 'what was erased as one JSON document')
  addReasonOption(command)
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((run: string, flags: Flags) => erase(run, flags, context))
}

function collectClass(text: string, earlier: readonly RetentionClass[]): readonly RetentionClass[] {
  const asked = parseClass(text)
  if (asked !== 'entry') return [...earlier, asked]
  throw new UsageError('USAGE', '--class: entries of the log cannot be erased, only archived', {
    hint: 'See sallyport audit archive --help',
  })
}

async function erase(run: string, flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr, config } = context
  const { retention } = await context.loadAgent()
  const { class: classes, reason } = flags
  const erased = await retention.erase(stateDirectoryOf(flags, config.stateDirectory), run, { classes, reason })
  writeNotices(stderr, erased)
  if (flags.json === true) return stdout.write(`${jsonText(erased)}\n`)
  stdout.write(`erased: ${erased.classes.join(', ')} of run ${oneLine(erased.run)} (entry ${erased.entry})\n`)
}
