// SPDX-License-Identifier: Apache-2.0
// `sallyport secrets leases`: what brokers have noted, and the end of what those that were killed have left.
import { randomBytes } from 'node:crypto'
import { type BrokerEvent, type Ended, listNotedSessions } from '@sallyport/secrets'
import { loadOperator } from '../access/load-operator.ts'
import { openOperatorLog } from '../audit/operator-log.ts'
import type { SecretsCommands } from './contract.ts'
import { hasAbandonedLeases, leaseDirectory } from './lease-directory.ts'
import { auditManager } from './manager-audit.ts'
import { rotateManaged, scheduled } from './rotate-managed.ts'
import { sweepAbandoned } from './sweep.ts'

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
  auditManager,
  rotateManaged,
  scheduled,
}

const NOTHING: Ended = { revoked: 0, unrevoked: [] }

async function sweep(stateDirectory: string, operatorFile: string | null): Promise<Ended> {
  if (!(await hasAbandonedLeases(stateDirectory))) return NOTHING
  const operator = await loadOperator(operatorFile)
  const run = `sweep-${randomBytes(4).toString('hex')}`
  // Without a log nothing is ended: who ended what has to be known.
  const log = await openOperatorLog(stateDirectory)
  const sessions: Extract<BrokerEvent, { kind: 'session' }>[] = []
  const event = (told: BrokerEvent): void => void (told.kind === 'session' && sessions.push(told))
  const ended = (await sweepAbandoned({ stateDirectory, operator, run, event })) ?? NOTHING
  for (const { kind: _same, ...session } of sessions) await log.record('secret.session', session)
  await log.record('secret.swept', { by: 'leases', ...ended })
  await log.close()
  return ended
}
