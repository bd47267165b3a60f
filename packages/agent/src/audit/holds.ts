// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { type LegalHold, LegalHolds } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import { changeLog } from './change-session.ts'
import { findLoggedRun } from './logged-run.ts'
import type { HoldSelection, Recorded } from './retention-contract.ts'

type Held = Recorded & { readonly hold: LegalHold }

export function listHolds(stateDirectory: string): Promise<readonly LegalHold[]> {
  return new LegalHolds(auditPlaces(stateDirectory).log).list()
}

export async function placeHold(stateDirectory: string, { run, ...selection }: HoldSelection): Promise<Held> {
  const source = run === null ? null : `run/${await findLoggedRun(stateDirectory, run)}`
  return changeLog(stateDirectory, async (session) => {
    const hold: LegalHold = { id: randomBytes(4).toString('hex'), source, ...selection }
    const holds = [...session.holds, hold]
    return { hold, ...(await session.make({ type: 'hold.placed', hold, reason: hold.reason, holds })) }
  })
}

/** @throws AgentError AUDIT_HOLD_NOT_FOUND */
export async function releaseHold(stateDirectory: string, id: string, reason: string): Promise<Held> {
  return changeLog(stateDirectory, async (session) => {
    const hold = session.holds.find((candidate) => candidate.id === id)
    if (hold === undefined)
      throw new AgentError('AUDIT_HOLD_NOT_FOUND', `Cannot release the hold "${id}": there is none`, {
        hint: 'See which there are: sallyport audit hold ls',
      })
    const holds = session.holds.filter((candidate) => candidate !== hold)
    return { hold, ...(await session.make({ type: 'hold.released', hold, reason, holds })) }
  })
}
