// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'

/** Where the log of a state directory and the keys that sign it are. */
export interface AuditPlaces {
  readonly log: string
  readonly signer: string
}

export function auditPlaces(stateDirectory: string): AuditPlaces {
  return { log: join(stateDirectory, 'audit'), signer: join(stateDirectory, 'signer') }
}
