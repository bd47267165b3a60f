// SPDX-License-Identifier: Apache-2.0
import { type Fields, generateValue, type StoredVersion, withSchedule, withVersion } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseGenerate } from '../options/secret-generate.ts'
import { parseEvery, parseField, parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreAccess, type StoreFlags } from '../options/secret-store.ts'
import { onlyField, parseFields, readValue } from '../options/secret-value.ts'
import { recordingSecrets } from '../secret-events.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets set NPM_TOKEN                      asks for it; what is typed is not shown
  sallyport secrets set NPM_TOKEN < token.txt          a newline at the end of one line is left out; --exact keeps it
  sallyport secrets set DB_PASSWORD --generate 32      letters and digits that nobody has seen
  sallyport secrets set db --fields < db.json          a secret with fields, from a JSON object
  sallyport secrets set db --field password            one field of it, the others stay
  sallyport secrets set NPM_TOKEN --every 30d < token  overdue after 30 days: sallyport secrets ls says so

A value never stands on the command line. Of each secret the last ten versions are kept.`

interface SetFlags extends StoreFlags {
  readonly field?: string
  readonly fields?: true
  readonly exact?: true
  readonly generate?: number
  readonly every?: number | null
}

export function registerSet(secrets: Command, context: Context): void {
  const command = secrets
    .command('set')
    .usage('[options] <name>')
    .argument('<name>', 'NPM_TOKEN, or ci/packages')
    .allowExcessArguments()
    .description('Store a value, from stdin or asked for, as the new version of a secret.')
    .option('--field <key>', 'one field; the others stay', parseField)
    .option('--fields', 'stdin is a JSON object of texts, each the value of a field')
    .option('--generate <length>', 'make a value of so many letters and digits', parseGenerate)
    .option('--exact', 'keep the newline at the end of a single line')
    .option('--every <time>', 'when the value is overdue: 30d, 12h, 4w or never', parseEvery)
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((_name: string, flags: SetFlags) => set(parseSecretName(command.args), flags, context))
}

async function set(name: string, flags: SetFlags, context: Context): Promise<void> {
  if ([flags.fields, flags.field ?? flags.generate].filter((given) => given !== undefined).length > 1)
    throw new UsageError('USAGE', '--fields gives all fields at once: it goes with neither --field nor --generate')
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const given = await readGiven(name, flags, context, access)
  let version = 0
  let changes = true
  await recordingSecrets(access.stateDirectory, context, (events) =>
    store.change(
      (content) => {
        const before = content.secrets.get(name)
        const current = before?.versions.at(-1)
        const fields = flags.field === undefined || current === undefined ? given : new Map([...current.fields, ...given])
        changes = !isSame(current, fields)
        const nowMs = store.nowMs()
        const changed = changes ? withVersion(content, { name, fields, origin: 'set', nowMs }) : content
        version = changed.secrets.get(name)?.lastNumber ?? 0
        if (flags.every === undefined) return changes ? changed : null
        return withSchedule(changed, name, { everyMs: flags.every })
      },
      (written) => events.record({ type: 'secret.set', secrets: [name], data: { version, changed: changes } }, written),
    ),
  )
  for (const value of given.values()) value.fill(0)
  if (flags.json === true) return context.stdout.write(`${JSON.stringify({ name, version, changed: changes })}\n`)
  context.stderr.write(`sallyport: ${name} is ${changes ? '' : 'as it was, '}version ${version}\n`)
}

async function readGiven(name: string, flags: SetFlags, context: Context, { prompt }: StoreAccess): Promise<Fields> {
  const value = flags.generate === undefined ? await readValue(name, context, prompt, flags.exact === true) : generateValue(flags.generate)
  if (flags.fields === true) return parseFields(name, value)
  return flags.field === undefined ? onlyField(value) : new Map([[flags.field, value]])
}

function isSame(current: StoredVersion | undefined, fields: Fields): boolean {
  if (current === undefined || current.fields.size !== fields.size) return false
  return [...fields].every(([field, value]) => Buffer.compare(current.fields.get(field) ?? Buffer.alloc(0), value) === 0)
}
