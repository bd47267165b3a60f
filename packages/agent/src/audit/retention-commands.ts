// SPDX-License-Identifier: Apache-2.0
import { archiveLog, checkArchive } from './archive-log.ts'
import { checkLoggedPayloads } from './check-payloads.ts'
import { eraseRun } from './erase-run.ts'
import { listHolds, placeHold, releaseHold } from './holds.ts'
import { retain } from './retain.ts'
import type { RetentionCommands } from './retention-contract.ts'

export const retentionCommands: RetentionCommands = {
  holds: listHolds,
  hold: placeHold,
  release: releaseHold,
  retain,
  archive: archiveLog,
  verifyArchive: checkArchive,
  erase: eraseRun,
  payloads: checkLoggedPayloads,
}
