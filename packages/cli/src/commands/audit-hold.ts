// SPDX-License-Identifier: Apache-2.0
import type { RetentionClass } from '@sallyport/agent'
import type { LegalHold } from '@sallyport/store'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addReasonOption, parseClass, writeNotices } from '../options/retention.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { parseTime } from '../options/time.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit hold add --run 20261122-2015 --reason "case 4711"
  sallyport audit hold add --class output --since 2026-11-01 --until 2026-11-22 --reason "case 4711"
  sallyport audit hold ls
  sallyport audit hold rm 3f9a2c41 --reason "case 4711 is closed"

What is held is neither erased nor archived, whatever its period is. With several of --run, --class, --since and --until, what fits to all of
them is held. Placing and releasing a hold are entries of the log.`

interface Flags {
  readonly state?: string
  readonly json?: true
}

interface AddFlags extends Flags {
  readonly run?: string
  readonly class?: RetentionClass
  readonly since?: string
  readonly until?: string
  readonly all?: true
  readonly reason: string
}

export function registerAuditHold(audit: Command, context: Context): void {
  const hold = audit.command('hold').description('Place, release and list legal holds.').addHelpText('after', EXAMPLES)
  const add = hold
    .command('add')
    .description('Keep what fits, however old it is.')
    .option('--run <id>', 'of this run (id, or its beginning)')
    .option('--class <class>', 'caller, output, record or entry', parseClass)
    .option('--since <time>', 'from then on, UTC: 2026-11-22, or 2026-11-22T20:15')
    .option('--until <time>', 'up to and with that day, minute or second')
    .option('--all', 'everything')
    .option('--json', 'the hold as one JSON document')
  addReasonOption(add)
  addStateOption(add)
  add.action((flags: AddFlags) => addHold(flags, context))
  const rm = hold.command('rm').argument('<id>').description('Release a hold.').option('--json', 'the hold as one JSON document')
  addReasonOption(rm)
  addStateOption(rm)
  rm.action((id: string, flags: AddFlags) => releaseHold(id, flags, context))
  const ls = hold.command('ls').description('List the holds.').option('--json', 'one JSON document')
  addStateOption(ls)
  ls.action((flags: Flags) => listHolds(flags, context))
}

async function addHold(flags: AddFlags, context: Context): Promise<void> {
  const { run = null, class: held = null, reason } = flags
  const [since, until] = [parseTime('--since', flags.since), parseTime('--until', flags.until)]
  const isOfAll = [run, held, since, until].every((selection) => selection === null)
  if (isOfAll !== (flags.all === true))
    throw new UsageError('USAGE', isOfAll ? 'Nothing says what is to be held' : '--all does not go with other selections', {
      hint: 'Name --run, --class, --since or --until; --all alone holds everything',
    })
  const { retention } = await context.loadAgent()
  const placed = await retention.hold(stateDirectoryOf(flags, context.config.stateDirectory), { run, class: held, since, until, reason })
  report('held', placed, flags, context)
}

async function releaseHold(id: string, flags: AddFlags, context: Context): Promise<void> {
  const { retention } = await context.loadAgent()
  report('released', await retention.release(stateDirectoryOf(flags, context.config.stateDirectory), id, flags.reason), flags, context)
}

function report(
  word: string,
  made: { readonly hold: LegalHold; readonly entry: number; readonly notices: readonly string[] },
  flags: Flags,
  { stdout, stderr }: Context,
): void {
  writeNotices(stderr, made)
  const { hold, entry } = made
  if (flags.json === true) stdout.write(`${jsonText({ hold, entry })}\n`)
  else stdout.write(`${word}: ${oneLine(hold.id)}, ${describe(hold)} (entry ${entry})\n`)
}

async function listHolds(flags: Flags, context: Context): Promise<void> {
  const { stdout, config } = context
  const { retention } = await context.loadAgent()
  const holds = await retention.holds(stateDirectoryOf(flags, config.stateDirectory))
  if (flags.json === true) return stdout.write(`${jsonText(holds)}\n`)
  if (holds.length === 0) return stdout.write('Nothing is held\n')
  stdout.write(renderTable(holds.map((hold) => [oneLine(hold.id), describe(hold), oneLine(hold.reason)])))
}

function describe({ source, class: held, since, until }: LegalHold): string {
  const parts = [
    held === null ? 'everything' : `the class ${oneLine(held)}`,
    ...(source === null ? [] : [`of ${oneLine(source)}`]),
    ...(since === null ? [] : [`since ${oneLine(since)}`]),
    ...(until === null ? [] : [`until ${oneLine(until)}`]),
  ]
  return parts.join(' ')
}
