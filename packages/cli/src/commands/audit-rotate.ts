// SPDX-License-Identifier: Apache-2.0
import type { PreparedKey, RotatedKey } from '@sallyport/agent'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { writeNotices } from '../options/retention.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'

const EXAMPLES = `
Examples:
  sallyport audit rotate             without witnesses, that is all
  sallyport audit rotate --prepare   with witnesses, first: it prints the line that they need to know the next key
  sallyport audit rotate --json

What is durable is published under the old key, which then signs that the new one comes after it, and is destroyed. Who trusts the old key follows
that note: it is in the file "keys" beside the log, which audit serve serves. With witnesses, those of audit-policy and lease-policy are asked first
whether they know the new key; where too few do, nothing is changed. The change is an entry of the log; after a kill, calling it again finishes it.

Exit codes: 0 changed, or prepared; 2 there is no log; 5 too few witnesses know the new key, or have cosigned; 6 the log cannot be written, which
audit verify explains, or another process went on using it.`

interface Flags {
  readonly prepare?: true
  readonly state?: string
  readonly json?: true
}

export function registerAuditRotate(audit: Command, context: Context): void {
  const command = audit
    .command('rotate')
    .description('Change the key that signs the log.')
    .option('--prepare', 'make the next key, print it, and go on with the present one')
    .option('--json', 'one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => rotate(flags, context))
}

async function rotate(flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr, config } = context
  const state = stateDirectoryOf(flags, config.stateDirectory)
  const { keys } = await context.loadAgent()
  if (flags.prepare === true) {
    const prepared = await keys.prepare(state)
    return stdout.write(flags.json === true ? `${JSON.stringify(prepared)}\n` : renderPrepared(prepared))
  }
  const rotated = await keys.rotate(state)
  writeNotices(stderr, rotated)
  stdout.write(flags.json === true ? `${JSON.stringify(rotated)}\n` : renderRotated(rotated))
}

function renderPrepared({ key, next }: PreparedKey): string {
  return [
    `key   ${oneLine(key, 1000)} (signs on)`,
    `next  ${oneLine(next, 1000)}`,
    'Each witness needs this line beside that of the present key, and to be started again; then sallyport audit rotate:',
    `log ${oneLine(next, 1000)}`,
    '',
  ].join('\n')
}

function renderRotated({ oldKey, newKey, size, entry, wasUnfinished }: RotatedKey): string {
  return [
    `old   ${oneLine(oldKey, 1000)}, destroyed`,
    `new   ${oneLine(newKey, 1000)}`,
    `${wasUnfinished ? 'finished' : 'changed'}: from ${size} entries on the new key signs, and the old one vouches for it (entry ${entry})`,
    '',
  ].join('\n')
}
