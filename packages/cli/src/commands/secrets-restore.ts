// SPDX-License-Identifier: Apache-2.0
import type { StoredCopy } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { fileOf } from '../options/egress.ts'
import { accessStore, addStoreOptions, type StoreFlags } from '../options/secret-store.ts'
import { recordingSecrets } from '../secret-events.ts'

const EXAMPLES = `
Examples:
  sallyport secrets restore                            what the last good version is, and what going back to it would lose
  sallyport secrets restore --yes                      go back to it
  sallyport secrets restore /backup/store.age --yes    go back to a copy

The store that is there is moved aside, to store.damaged.age: find out who could write to it before you go on.`

interface RestoreFlags extends StoreFlags {
  readonly yes?: true
}

export function registerRestore(secrets: Command, context: Context): void {
  const command = secrets
    .command('restore')
    .argument('[file]', 'a copy of the store (default: the one that every change leaves beside it)')
    .description('Go back to the last good version of a store that was damaged.')
    .option('--yes', 'do it; without, what it would do is shown')
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((file: string | undefined, flags: RestoreFlags) => restore(file, flags, context))
}

async function restore(file: string | undefined, flags: RestoreFlags, context: Context): Promise<void> {
  const { stdout, now, workingDirectory } = context
  await using access = await accessStore(flags, context)
  const { directory, unlock, stateDirectory } = access
  const path = fileOf(file, workingDirectory)
  const { describeCopy, restoreStore } = await import('@sallyport/secrets')
  const copy = await describeCopy(directory, unlock, path)
  const generation =
    flags.yes === true
      ? await recordingSecrets(stateDirectory, context, (events) =>
          restoreStore(directory, unlock, path, { nowMs: now }, (written) =>
            events.record({ type: 'secret.store-restored', secrets: copy.names, data: { from: copy.generation } }, written),
          ),
        )
      : null
  stdout.write(flags.json === true ? `${JSON.stringify({ ...copy, restored: generation })}\n` : renderCopy(copy, generation))
}

function renderCopy({ generation, writtenAtMs, names, isLast, lastGeneration }: StoredCopy, restored: number | null): string {
  const loss = isLast
    ? 'it is what was written last: nothing is lost'
    : `generation ${lastGeneration} was the last one: what was changed since is lost`
  const lines = [
    `copy  generation ${generation} of ${new Date(writtenAtMs).toISOString()}, ${names.length} secrets`,
    `      ${loss}`,
    restored === null ? 'Nothing was changed; --yes goes back to it' : `The store is that copy again, as generation ${restored}`,
  ]
  return `${lines.join('\n')}\n`
}
