// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addIssuerOptions, type IssuerFlags } from '../options/issuer.ts'
import { renderIssuer } from './identity-keys.ts'

const EXAMPLES = `
Examples:
  sallyport identity rotate                  once a month, from a timer
  sallyport identity rotate --compromised    somebody has the keys: none of them is told to verifiers any more

The next keys have been published since the rotation before, for a day at least, so that no verifier meets one that it does not know; the old
ones stay until their last token has expired. Their private halves are destroyed at once. Runs that are under way follow. After --compromised,
verifiers that keep keys refuse new tokens, and take stolen ones, until they ask again: within hours, or when you tell them.`

interface Flags extends IssuerFlags {
  readonly compromised?: true
}

export function registerIdentityRotate(identity: Command, context: Context): void {
  const command = identity
    .command('rotate')
    .description('Let the next keys sign, and make new ones.')
    .option('--compromised', 'replace all keys at once: tokens that are out there end')
    .option('--json', 'the keys as one JSON document')
  addIssuerOptions(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => rotate(flags, context))
}

async function rotate(flags: Flags, context: Context): Promise<void> {
  const [{ startMinter }, { openIssuer }] = await Promise.all([import('@sallyport/identity'), import('../options/issuer.ts')])
  const { directory } = await openIssuer(flags, context)
  {
    using minter = await startMinter(directory, null)
    await minter.rotate({ isCompromised: flags.compromised === true })
  }
  context.stdout.write(renderIssuer(await openIssuer(flags, context), flags))
}
