// SPDX-License-Identifier: Apache-2.0
import type { AuditFilter, ShownEntry } from '@sallyport/agent'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { parseTime } from '../options/time.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'

const EXAMPLES = `
Examples:
  sallyport audit show --run 20261122-2015
  sallyport audit show --secret NPM_TOKEN --since 2026-11       who was given it, since November
  sallyport audit show --host evil.example.test                 what wanted to go there
  sallyport audit show --actor alice --type run.started
  sallyport audit show --json | jq -r .entry.type | sort | uniq -c

What is shown is compared with the tree, entry by entry; whether that is the tree that was signed says sallyport audit verify.`

interface ShowFlags extends AuditFlags {
  readonly run?: string
  readonly job?: string
  readonly type?: string
  readonly since?: string
  readonly until?: string
  readonly secret?: string
  readonly host?: string
  readonly actor?: string
}

export function registerShow(audit: Command, context: Context): void {
  const command = audit
    .command('show')
    .argument('[dir]', 'a copy of a log (default: the log of the state directory)')
    .description('Print the entries of the log that fit.')
    .option('--run <id>', 'of this run (id, or its beginning)')
    .option('--job <key>', 'of this job')
    .option('--type <type>', 'of this type, e.g. step.started, or host.* for all of an area')
    .option('--since <time>', 'from then on, UTC: 2026-11-22, or 2026-11-22T20:15')
    .option('--until <time>', 'up to and with that day, minute or second')
    .option('--secret <name>', 'that hand over this secret')
    .option('--host <name>', 'about this destination, reached or refused')
    .option('--actor <user>', 'of runs that this user has called')
    .option('--json', 'JSON lines { index, entry }')
  addAuditOptions(command)
  command.addHelpText('after', EXAMPLES).action((directory: string | undefined, flags: ShowFlags) => show(directory, flags, context))
}

async function show(directory: string | undefined, flags: ShowFlags, context: Context): Promise<void> {
  const { stdout } = context
  const filter = filterOf(flags)
  const agent = await context.loadAgent()
  for await (const shown of agent.audit.show(auditPlaceOf(directory, flags, context), filter)) {
    if (stdout.isBroken) return
    stdout.write(flags.json === true ? `${jsonText(shown)}\n` : renderEntry(shown))
  }
}

function filterOf(flags: ShowFlags): AuditFilter {
  const { run = null, job = null, type = null, secret = null, host = null, actor = null } = flags
  return { run, job, type, since: parseTime('--since', flags.since), until: parseTime('--until', flags.until), secret, host, actor }
}

const DATA_LENGTH_MAX = 500

/** One line: who chose the words in it was perhaps a job. */
function renderEntry({ index, entry }: ShownEntry): string {
  const { at, source, job, step, type, data, private: beside } = entry
  const words = [String(index), at, source, type, ...(job === undefined ? [] : [`${job}${step === undefined ? '' : ` | ${step}`}`])]
  const facts = data === undefined ? [] : [JSON.stringify(data)]
  const note = beside === undefined ? [] : [`(${beside.bytes} bytes beside the log)`]
  return `${words.map((word) => oneLine(word)).join('  ')}  ${oneLine([...facts, ...note].join(' '), DATA_LENGTH_MAX)}\n`
}
