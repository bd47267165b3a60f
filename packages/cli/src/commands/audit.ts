// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { registerAuditArchive } from './audit-archive.ts'
import { registerAuditErase } from './audit-erase.ts'
import { registerAuditExport } from './audit-export.ts'
import { registerAuditHold } from './audit-hold.ts'
import { registerAuditKeys } from './audit-keys.ts'
import { registerAuditPayload } from './audit-payload.ts'
import { registerProve } from './audit-prove.ts'
import { registerAuditPublish } from './audit-publish.ts'
import { registerAuditRetain } from './audit-retain.ts'
import { registerAuditRotate } from './audit-rotate.ts'
import { registerAuditServe } from './audit-serve.ts'
import { registerShow } from './audit-show.ts'
import { registerVerify } from './audit-verify.ts'
import { registerAuditWitness } from './audit-witness.ts'

const EXAMPLES = `
Examples:
  sallyport audit verify                                  is the log of this machine what was written
  sallyport audit verify --remember /media/usb/head       and does it begin with what it was at the last check
  sallyport audit show --secret NPM_TOKEN                 who was given it
  sallyport audit prove 20261122-2015 -o run.tlog-proof   for somebody who has neither this machine nor this program

Every run and exec writes what happens into a transparency log; see docs/audit.md for what it finds, and what it cannot.`

export function registerAudit(program: Command, context: Context): void {
  const audit = program
    .command('audit')
    .description('Check, prove, read, publish, serve, export, keep and archive the log of all runs.')
    .addHelpText('after', EXAMPLES)
  registerVerify(audit, context)
  registerProve(audit, context)
  registerShow(audit, context)
  registerAuditPublish(audit, context)
  registerAuditServe(audit, context)
  registerAuditExport(audit, context)
  registerAuditWitness(audit, context)
  registerAuditPayload(audit, context)
  registerAuditHold(audit, context)
  registerAuditRetain(audit, context)
  registerAuditErase(audit, context)
  registerAuditArchive(audit, context)
  registerAuditKeys(audit, context)
  registerAuditRotate(audit, context)
}
