// SPDX-License-Identifier: Apache-2.0
import type { Ended } from '@sallyport/secrets'

/** A session that a broker has noted at a provider and that has not ended: whatever is read in it ends with it. */
export interface SessionLease {
  readonly run: string
  /** `live`: its broker is at work, and ends it. `abandoned`: its broker was killed, and the next run ends it. */
  readonly state: 'live' | 'abandoned'
  readonly provider: string
  readonly job: string
  /** When it ends by itself, at the latest; ISO 8601. */
  readonly until: string
}

export interface SecretsCommands {
  leases(stateDirectory: string): Promise<readonly SessionLease[]>
  /** Ends what is abandoned, with the providers of the operator's file; recorded in the transparency log. */
  sweep(stateDirectory: string, operatorFile: string | null): Promise<Ended>
}
