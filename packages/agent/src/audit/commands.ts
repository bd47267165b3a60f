// SPDX-License-Identifier: Apache-2.0
// `sallyport audit`, over the log of a state directory or another one.
import type { AuditCommands } from './contract.ts'
import { openOperatorLog } from './operator-log.ts'
import { proveRun } from './prove.ts'
import { publishLog } from './publish.ts'
import { showEntries } from './show.ts'
import { verifyAudit } from './verify.ts'

export const auditCommands: AuditCommands = {
  operatorLog: async (stateDirectory) => openOperatorLog(stateDirectory),
  publish: publishLog,
  verify: verifyAudit,
  prove: proveRun,
  show: showEntries,
}
