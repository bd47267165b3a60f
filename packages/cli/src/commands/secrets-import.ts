// SPDX-License-Identifier: Apache-2.0
import { type StoreContent, withVersion } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { onlyField } from '../options/secret-value.ts'
import { readSecretsFile } from '../options/secrets.ts'
import { recordingSecrets } from '../secret-events.ts'

const EXAMPLES = `
Examples:
  sallyport secrets import .env && shred -u .env
  sallyport secrets import .env --replace      also where there is another value of that name

All of it is stored at once, or nothing. What the store has already stays as it is, without --replace.`

interface ImportFlags extends StoreFlags {
  readonly replace?: true
}

interface Imported {
  readonly stored: string[]
  /** With that value. */
  readonly unchanged: string[]
  /** With another one. */
  readonly kept: string[]
}

export function registerImport(secrets: Command, context: Context): void {
  const command = secrets
    .command('import')
    .argument('<file>', 'a dotenv file')
    .description('Store every value of a dotenv file under its name.')
    .option('--replace', 'a new version where the store has another value')
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((file: string, flags: ImportFlags) => importFile(file, flags, context))
}

async function importFile(file: string, flags: ImportFlags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  const entries = readSecretsFile(file).map(({ name, value }) => ({ name: parseSecretName([name]), value: Buffer.from(value) }))
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const imported: Imported = { stored: [], unchanged: [], kept: [] }
  await recordingSecrets(access.stateDirectory, context, (events) =>
    store.change(
      (content) => importEntries(content, entries, imported, { replaces: flags.replace === true, nowMs: store.nowMs() }),
      (written) => events.record({ type: 'secret.imported', secrets: imported.stored }, written),
    ),
  )
  for (const { value } of entries) value.fill(0)
  if (flags.json === true) return stdout.write(`${JSON.stringify(imported)}\n`)
  const { stored, unchanged, kept } = imported
  stderr.write(`sallyport: ${stored.length} stored, ${unchanged.length} as they were\n`)
  if (kept.length > 0) stderr.write(`sallyport: the store has other values of ${kept.join(', ')}, which stay; --replace replaces them\n`)
  stderr.write(`sallyport: the values still stand in "${file}": delete it, and what else has a copy\n`)
}

function importEntries(
  content: StoreContent,
  entries: readonly { readonly name: string; readonly value: Buffer }[],
  { stored, unchanged, kept }: Imported,
  { replaces, nowMs }: { readonly replaces: boolean; readonly nowMs: number },
): StoreContent | null {
  let changed = content
  for (const { name, value } of entries) {
    const fields = content.secrets.get(name)?.versions.at(-1)?.fields
    const [only, ...others] = fields?.values() ?? []
    const isThere = only !== undefined && others.length === 0 && value.equals(only)
    const list = isThere ? unchanged : fields === undefined || replaces ? stored : kept
    list.push(name)
    if (list === stored) changed = withVersion(changed, { name, fields: onlyField(value), origin: 'imported', nowMs })
  }
  return stored.length === 0 ? null : changed
}
