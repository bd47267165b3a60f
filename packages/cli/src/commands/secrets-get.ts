// SPDX-License-Identifier: Apache-2.0
import { type Fields, findField, findSecret, findVersion } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseField, parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { recordingSecrets } from '../secret-events.ts'
import { describeSecret, renderHistory } from '../terminal/secret-tables.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets get NPM_TOKEN                        what is known of it, without the value
  sallyport secrets get NPM_TOKEN --reveal | pbcopy      the value itself, as it was stored
  sallyport secrets get db --field password --reveal
  sallyport secrets get db --reveal --json               all fields; what is no text as { "base64": … }

Every value that is revealed stands in the log first: sallyport audit show --type secret.read`

interface GetFlags extends StoreFlags {
  readonly field?: string
  readonly version?: string
  readonly reveal?: true
}

export function registerGet(secrets: Command, context: Context): void {
  const command = secrets
    .command('get')
    .argument('<name>')
    .description('Show a secret; its value only with --reveal.')
    .option('--reveal', 'print the value')
    .option('--version <number>', 'an earlier version')
    .option('--field <key>', 'one field', parseField)
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((name: string, flags: GetFlags) => get(parseSecretName([name]), flags, context))
}

async function get(name: string, flags: GetFlags, context: Context): Promise<void> {
  if (flags.reveal !== true && (flags.version ?? flags.field) !== undefined)
    throw new UsageError('USAGE', '--version and --field choose what --reveal prints', {
      hint: `Add --reveal, or see sallyport secrets history ${name}`,
    })
  const { stdout } = context
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  if (flags.reveal !== true) {
    const described = await store.look((content) => describeSecret(findSecret(content, name), context.now()))
    return stdout.write(flags.json === true ? `${JSON.stringify(described)}\n` : renderHistory(described))
  }
  const { version, fields } = await store.look((content) => {
    const found = findVersion(findSecret(content, name), flags.version ?? null)
    const wanted =
      flags.json === true && flags.field === undefined ? [...found.fields] : [findField(name, found.fields, flags.field ?? null)]
    return { version: found.number, fields: new Map(wanted.map(([field, value]) => [field, Uint8Array.from(value)])) }
  })
  await recordingSecrets(access.stateDirectory, context, (events) =>
    events.record({ type: 'secret.read', secrets: [name], data: { version, fields: [...fields.keys()], by: 'get' } }),
  )
  if (flags.json === true) return stdout.write(`${JSON.stringify({ name, version: String(version), fields: textsOf(fields) })}\n`)
  for (const value of fields.values()) stdout.write(value)
  if (stdout.isTerminal) stdout.write('\n')
}

function textsOf(fields: Fields): Record<string, string | { readonly base64: string }> {
  return Object.fromEntries([...fields].map(([field, value]) => [field, textOf(Buffer.from(value))]))
}

function textOf(value: Buffer): string | { readonly base64: string } {
  const text = value.toString()
  return Buffer.from(text).equals(value) ? text : { base64: value.toString('base64') }
}
