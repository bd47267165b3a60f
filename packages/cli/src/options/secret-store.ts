// SPDX-License-Identifier: Apache-2.0
// What every command of `secrets` needs to open the embedded store.
import type { EmbeddedStore, Unlock } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { HiddenPrompt } from '../terminal/hidden-prompt.ts'
import { UsageError } from '../usage-error.ts'
import { parseDescriptor, readDescriptor } from './descriptor.ts'
import { fileOf } from './egress.ts'
import { addStateOption, stateDirectoryOf } from './shared.ts'

const KEY_BYTES_MAX = 16 * 1024
export const PASSPHRASE_HINT = 'Give the passphrase through a descriptor: --passphrase-fd 3 3< FILE'

export interface StoreFlags {
  readonly state?: string
  readonly identity?: string
  readonly identityFd?: number
  readonly passphraseFd?: number
  readonly json?: true
}

export function addStoreOptions(command: Command): void {
  command
    .option('--identity <file>', 'an identity of age that opens the store (default: the one beside it)')
    .option('--identity-fd <n>', 'the same, read from a descriptor', parseDescriptor)
    .option('--passphrase-fd <n>', 'the passphrase of the identity beside the store, read from a descriptor', parseDescriptor)
  addStateOption(command)
}

/** Where it is, and what opens it: asked for on the terminal where it has a passphrase and none was given. */
export interface StoreAccess extends AsyncDisposable {
  readonly stateDirectory: string
  readonly directory: string
  readonly unlock: Unlock
  readonly prompt: HiddenPrompt
}

/** From here on this process cannot be looked into. */
export async function accessStore(flags: StoreFlags, context: Context): Promise<StoreAccess> {
  const { embeddedStoreDirectory, ownIdentityKind, protectProcess, storePlaces } = await import('@sallyport/secrets')
  protectProcess()
  const stateDirectory = stateDirectoryOf(flags, context.config.stateDirectory)
  const directory = embeddedStoreDirectory(stateDirectory)
  const prompt = new HiddenPrompt(context)
  const named = namedUnlock(flags, context)
  const isSealed = named === null && (await ownIdentityKind(storePlaces(directory))) === 'sealed'
  const asked = isSealed ? await askPassphrase(prompt) : null
  const unlock: Unlock = named ?? asked ?? { kind: 'own' }
  return {
    stateDirectory,
    directory,
    unlock,
    prompt,
    [Symbol.asyncDispose]: async () => {
      wipe(unlock)
      await prompt[Symbol.asyncDispose]()
    },
  }
}

async function askPassphrase(prompt: HiddenPrompt): Promise<Unlock> {
  try {
    return { kind: 'passphrase', passphrase: await prompt.ask('the passphrase of the secret store', PASSPHRASE_HINT) }
  } catch (error) {
    await prompt[Symbol.asyncDispose]()
    throw error
  }
}

export async function openStore({ directory, unlock }: StoreAccess, { now }: Context): Promise<EmbeddedStore> {
  return (await import('@sallyport/secrets')).openEmbeddedStore(directory, unlock, { nowMs: now })
}

/** Null where none is named. @throws UsageError for more than one */
function namedUnlock(flags: StoreFlags, { workingDirectory }: Context): Unlock | null {
  const { identity, identityFd, passphraseFd } = flags
  if ([identity, identityFd, passphraseFd].filter((given) => given !== undefined).length > 1)
    throw new UsageError('USAGE', 'The store is opened by one of --identity, --identity-fd and --passphrase-fd')
  const path = fileOf(identity, workingDirectory)
  if (path !== null) return { kind: 'file', path }
  if (identityFd !== undefined) return { kind: 'identity', text: readDescriptor('--identity-fd', identityFd, KEY_BYTES_MAX) }
  return passphraseFd === undefined ? null : { kind: 'passphrase', passphrase: readPassphrase(passphraseFd) }
}

function readPassphrase(fd: number): Buffer {
  const bytes = readDescriptor('--passphrase-fd', fd, KEY_BYTES_MAX)
  const end = bytes.findIndex((byte) => byte === 10 || byte === 13)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

function wipe(unlock: Unlock): void {
  if (unlock.kind === 'passphrase') unlock.passphrase.fill(0)
  if (unlock.kind === 'identity') unlock.text.fill(0)
}
