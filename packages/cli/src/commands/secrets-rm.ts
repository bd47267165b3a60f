// SPDX-License-Identifier: Apache-2.0
import { withoutSecret, withoutVersion } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { recordingSecrets } from '../secret-events.ts'

interface RemoveFlags extends StoreFlags {
  readonly version?: string
}

export function registerRemove(secrets: Command, context: Context): void {
  const command = secrets
    .command('rm')
    .argument('<name>')
    .description('Remove a secret with all its versions; that there was one of this name stays on record.')
    .option('--version <number>', 'only this version')
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.action((name: string, flags: RemoveFlags) => remove(parseSecretName([name]), flags, context))
}

async function remove(name: string, flags: RemoveFlags, context: Context): Promise<void> {
  const { version = null } = flags
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  await recordingSecrets(access.stateDirectory, context, (events) =>
    store.change(
      (content) => (version === null ? withoutSecret(content, name, store.nowMs()) : withoutVersion(content, name, version, store.nowMs())),
      (written) => events.record({ type: 'secret.removed', secrets: [name], data: { version } }, written),
    ),
  )
  if (flags.json === true) return context.stdout.write(`${JSON.stringify({ name, version })}\n`)
  const what = version === null ? name : `version ${version} of ${name}`
  context.stderr.write(`sallyport: ${what} is removed here; where it is valid it still is, so end it there\n`)
}
