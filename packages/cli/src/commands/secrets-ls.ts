// SPDX-License-Identifier: Apache-2.0
import { findSecret } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { renderScheduled, scheduledDue } from '../managed-secret.ts'
import { addOperatorOption } from '../options/egress.ts'
import { parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { describeSecret, renderHistory, renderSecrets } from '../terminal/secret-tables.ts'
import { createStyle } from '../terminal/style.ts'

interface ListFlags extends StoreFlags {
  readonly all?: true
  readonly overdue?: true
  readonly config?: string
}

export function registerList(secrets: Command, context: Context): void {
  const command = secrets
    .command('ls')
    .description('List the secrets: versions, ages, and what is overdue. No value is shown.')
    .option('--all', 'removed ones, too')
    .option(
      '--overdue',
      'only those whose value is older than its --every, or whose rotation has not ended; also of secrets at managers that the operator has a schedule for',
    )
    .option('--json', 'one JSON document')
  addOperatorOption(command)
  addStoreOptions(command)
  command.action((flags: ListFlags) => list(flags, context))
}

export function registerHistory(secrets: Command, context: Context): void {
  const command = secrets
    .command('history')
    .argument('<name>')
    .description('The versions of a secret that are kept, newest first. No value is shown.')
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.action((name: string, flags: StoreFlags) => showHistory(parseSecretName([name]), flags, context))
}

async function list(flags: ListFlags, context: Context): Promise<void> {
  const { stdout, config } = context
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const all = await store.look(({ secrets }) => [...secrets.values()].map((secret) => describeSecret(secret, context.now())))
  const shown = all.filter(
    ({ removedAt, overdue, rotation }) =>
      (flags.all === true || removedAt === null) && (flags.overdue !== true || overdue || rotation !== null),
  )
  const scheduled = flags.overdue === true ? await scheduledDue(flags, context) : []
  if (flags.json === true) return stdout.write(`${JSON.stringify([...shown, ...scheduled])}\n`)
  stdout.write(renderSecrets(shown, createStyle(stdout.isTerminal && config.allowsColor)) + renderScheduled(scheduled))
}

async function showHistory(name: string, flags: StoreFlags, context: Context): Promise<void> {
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const described = await store.look((content) => describeSecret(findSecret(content, name), context.now()))
  context.stdout.write(flags.json === true ? `${JSON.stringify(described)}\n` : renderHistory(described))
}
