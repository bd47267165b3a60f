// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { registerSecretsAudit } from './secrets-audit.ts'
import { registerGet } from './secrets-get.ts'
import { registerImport } from './secrets-import.ts'
import { registerInit } from './secrets-init.ts'
import { registerLeases } from './secrets-leases.ts'
import { registerHistory, registerList } from './secrets-ls.ts'
import { registerRestore } from './secrets-restore.ts'
import { registerRemove } from './secrets-rm.ts'
import { registerRotate } from './secrets-rotate.ts'
import { registerScan } from './secrets-scan.ts'
import { registerSet } from './secrets-set.ts'

const EXAMPLES = `
Examples:
  sallyport secrets init
  sallyport secrets import .env                  from a dotenv file into the store
  sallyport secrets set NPM_TOKEN                asks for it; what is typed is not shown
  sallyport secrets ls                           versions, ages, what is overdue
  sallyport secrets rotate DB_PASSWORD --generate 32 --hook ./set-password.sh
  sallyport secrets leases --sweep               ends what runs that were killed have left at managers
  sallyport secrets audit --provider openbao --manager-log audit.log     who read there without us

The embedded store is one file, encrypted with age, in the state directory. docs/secrets.md begins with a .env file.`

export function registerSecrets(program: Command, context: Context): void {
  const secrets = program
    .command('secrets')
    .description(
      'Keep secrets in the embedded store, rotate them, look for those that got away, end what was left at managers, and see who read there without us.',
    )
    .addHelpText('after', EXAMPLES)
  registerInit(secrets, context)
  registerSet(secrets, context)
  registerGet(secrets, context)
  registerList(secrets, context)
  registerHistory(secrets, context)
  registerRotate(secrets, context)
  registerRemove(secrets, context)
  registerImport(secrets, context)
  registerRestore(secrets, context)
  registerScan(secrets, context)
  registerLeases(secrets, context)
  registerSecretsAudit(secrets, context)
}
