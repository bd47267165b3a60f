// SPDX-License-Identifier: Apache-2.0
import type { LogKeyList } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport audit keys
  sallyport audit keys /mnt/copy/audit --key "$(cat log.vkey)"   the keys that this one leads to

Each key, the sizes of the trees that it signs, and whether it is sealed: where it ended, it has signed that tree a last time, and its successor.
Exit code 1: a step from one key to the next is not signed by both.`

export function registerAuditKeys(audit: Command, context: Context): void {
  const command = audit
    .command('keys')
    .argument('[dir]', 'a copy of a log (default: the log of the state directory)')
    .description('List the keys that have signed the log.')
    .option('--json', 'one JSON document')
  addAuditOptions(command)
  command.addHelpText('after', EXAMPLES).action((directory: string | undefined, flags: AuditFlags) => listKeys(directory, flags, context))
}

async function listKeys(directory: string | undefined, flags: AuditFlags, context: Context): Promise<void> {
  const { keys } = await context.loadAgent()
  const list = await keys.list(auditPlaceOf(directory, flags, context))
  context.exitCode = list.problem === null ? ExitCode.success : ExitCode.jobFailed
  context.stdout.write(flags.json === true ? `${JSON.stringify(list)}\n` : render(list))
}

function render({ keys, next, problem }: LogKeyList): string {
  const rows = keys.map(({ key, firstSize, lastSize }) => [
    `from ${firstSize}`,
    lastSize === null ? 'signs now' : `to ${lastSize}, sealed`,
    oneLine(key, 1000),
  ])
  const prepared = next === null ? [] : [['next', 'prepared', oneLine(next, 1000)]]
  const wrong = problem === null ? '' : `not sound: ${oneLine(problem, 1000)}\n`
  return `${renderTable([...rows, ...prepared])}${wrong}`
}
