// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { registerIdentityCheck } from './identity-check.ts'
import { registerIdentityExport } from './identity-export.ts'
import { registerIdentityKeys } from './identity-keys.ts'
import { registerIdentityRotate } from './identity-rotate.ts'
import { registerIdentityServe } from './identity-serve.ts'

const EXAMPLES = `
Examples:
  sallyport identity serve --issuer https://ci.example.test    tell verifiers the keys; the first time, make them
  sallyport identity export /srv/www/ci                        the same as files, for a web server
  sallyport identity rotate                                    the next keys sign from now on
  sallyport identity check trust-policy.json                   whom does it let in

Jobs prove to Vault, OpenBao and clouds who they are with tokens of minutes; see docs/identity.md.`

export function registerIdentity(program: Command, context: Context): void {
  const identity = program
    .command('identity')
    .description('The issuer of identity tokens for jobs: its keys, and whom trust policies let in.')
    .addHelpText('after', EXAMPLES)
  registerIdentityServe(identity, context)
  registerIdentityExport(identity, context)
  registerIdentityKeys(identity, context)
  registerIdentityRotate(identity, context)
  registerIdentityCheck(identity, context)
}
