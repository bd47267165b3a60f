// SPDX-License-Identifier: Apache-2.0
import type { OperatorFile } from '@sallyport/access'
import type { BrokerEvent, Ended } from '@sallyport/secrets'
import { hasAbandonedLeases, leaseDirectory } from './lease-directory.ts'
import { providersOf } from './providers.ts'

export interface SweepParts {
  readonly stateDirectory: string
  readonly operator: OperatorFile | null
  /** The name under which the sweep notes itself. */
  readonly run: string
  /** What the broker tells of itself. */
  readonly event: (event: BrokerEvent) => void
}

/** Ends what brokers that were killed have left; null where nothing is left. @throws SecretsError */
export async function sweepAbandoned({ stateDirectory, operator, run, event }: SweepParts): Promise<Ended | null> {
  if (!(await hasAbandonedLeases(stateDirectory))) return null
  // Nobody else pays for loading it.
  const { startBroker } = await import('@sallyport/secrets')
  const config = { providers: providersOf(operator, stateDirectory), leaseDirectory: leaseDirectory(stateDirectory), run }
  await using broker = await startBroker(config, { event })
  return await broker.sweep()
}
