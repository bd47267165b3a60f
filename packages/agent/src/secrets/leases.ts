// SPDX-License-Identifier: Apache-2.0
// `sallyport secrets leases`: what brokers have noted, and the end of what those that were killed have left.
import { randomBytes } from 'node:crypto'
import { type Ended, listNotedSessions, startBroker } from '@sallyport/secrets'
import { loadPolicy } from '../access/policy.ts'
import { openOperatorLog } from '../audit/operator-log.ts'
import type { SecretsCommands } from './contract.ts'
import { hasAbandonedLeases, leaseDirectory } from './lease-directory.ts'
import { providersOf } from './providers.ts'

export const secretsCommands: SecretsCommands = {
  leases: async (stateDirectory) => {
    const journals = await listNotedSessions(leaseDirectory(stateDirectory))
    return journals.flatMap(({ run, isLive, sessions }) =>
      sessions.map(({ provider, job, untilMs }) => ({
        run,
        state: isLive ? ('live' as const) : ('abandoned' as const),
        provider,
        job,
        until: new Date(untilMs).toISOString(),
      })),
    )
  },
  sweep,
}

async function sweep(stateDirectory: string, operatorFile: string | null): Promise<Ended> {
  if (!(await hasAbandonedLeases(stateDirectory))) return { revoked: 0, unrevoked: [] }
  const { operator } = await loadPolicy({ repository: null, base: null, accessFile: null, operatorFile, allow: [] })
  const providers = providersOf(operator, stateDirectory)
  const run = `sweep-${randomBytes(4).toString('hex')}`
  // Without a log nothing is ended: who ended what has to be known.
  const log = await openOperatorLog(stateDirectory)
  await using broker = await startBroker({ providers, leaseDirectory: leaseDirectory(stateDirectory), run }, { event: () => undefined })
  const ended = await broker.sweep()
  await log.record('secret.swept', { by: 'leases', ...ended })
  await log.close()
  return ended
}
