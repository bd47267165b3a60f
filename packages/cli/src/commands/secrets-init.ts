// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { accessStore, addStoreOptions, PASSPHRASE_HINT, type StoreAccess, type StoreFlags } from '../options/secret-store.ts'
import { collect } from '../options/shared.ts'
import { recordingSecrets } from '../secret-events.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets init                                  an identity beside the store, which this user alone can read
  sallyport secrets init --passphrase                     the identity under a passphrase, asked for now and at every command
  sallyport secrets init --passphrase-fd 3 3< passphrase  the same, where nobody can be asked
  sallyport secrets init --identity /media/usb/key.txt    an identity that age-keygen made, and that is not kept here
  sallyport secrets init --recipient age1…                somebody else can open it, too, should the identity be lost

Whoever has the identity, or its passphrase, and the store has the secrets: keep copies of the two in different places.`

interface InitFlags extends StoreFlags {
  readonly passphrase?: true
  readonly recipient: readonly string[]
}

export function registerInit(secrets: Command, context: Context): void {
  const command = secrets
    .command('init')
    .description('Make the embedded store of this state directory.')
    .option('--passphrase', 'ask for a passphrase, and keep the identity under it')
    .option('--recipient <age1…>', 'who else can open the store; may be repeated', collect, [])
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((flags: InitFlags) => init(flags, context))
}

async function init(flags: InitFlags, context: Context): Promise<void> {
  if (flags.passphrase === true && (flags.passphraseFd ?? flags.identity ?? flags.identityFd) !== undefined)
    throw new UsageError('USAGE', '--passphrase asks for one: it goes with none of --passphrase-fd, --identity and --identity-fd')
  await using access = await accessStore(flags, context)
  const { stateDirectory, directory, unlock } = access
  const passphrase = flags.passphrase === true ? await askTwice(access) : unlock.kind === 'passphrase' ? unlock.passphrase : null
  const identity = unlock.kind === 'file' || unlock.kind === 'identity' ? unlock : null
  const { createEmbeddedStore } = await import('@sallyport/secrets')
  const store = await recordingSecrets(stateDirectory, context, (events) =>
    createEmbeddedStore(directory, { passphrase, identity, recipients: flags.recipient }, { nowMs: context.now }, (written) =>
      events.record({ type: 'secret.store-created', secrets: [] }, written),
    ),
  )
  passphrase?.fill(0)
  const { recipient } = store
  if (flags.json === true) return context.stdout.write(`${JSON.stringify({ directory, recipient })}\n`)
  context.stdout.write(`secret store  ${directory}\nrecipient     ${recipient}\n`)
}

async function askTwice({ prompt }: StoreAccess): Promise<Buffer> {
  const first = await prompt.ask('a passphrase for the secret store', PASSPHRASE_HINT)
  const second = await prompt.ask('the same once more', PASSPHRASE_HINT)
  const isSame = first.equals(second)
  second.fill(0)
  if (isSame) return first
  throw new UsageError('USAGE', 'The two are not the same; nothing was made')
}
