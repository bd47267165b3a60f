// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { type LegalHold, LegalHolds } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import { ChangeScan } from './change-scan.ts'
import { changeLog } from './change-session.ts'
import { agreedHolds, readHeldNow } from './held-now.ts'
import { holdsChanged } from './holds-changed.ts'
import { locateLog } from './located-log.ts'
import { findLoggedRun } from './logged-run.ts'
import type { HoldSelection, Recorded } from './retention-contract.ts'
import { visibleLog } from './visible-log.ts'

type Held = Recorded & { readonly hold: LegalHold }

/** Others place and release them meanwhile. */
const ATTEMPTS = 3

/** Those that the log says are in force. @throws AgentError AUDIT_HOLDS_CHANGED; StoreError STORE_CORRUPT for what is no list of holds */
export async function listHolds(stateDirectory: string): Promise<readonly LegalHold[]> {
  const { log } = auditPlaces(stateDirectory)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const digest = await loggedDigest(stateDirectory)
    const agreed = agreedHolds(await readHeldNow(log), digest)
    if (agreed !== null) return agreed
  }
  await new LegalHolds(log).list()
  throw holdsChanged(log)
}

/** Null where the log says nothing of holds, or where there is none. */
async function loggedDigest(stateDirectory: string): Promise<string | null> {
  try {
    const log = await locateLog({ stateDirectory, directory: null, key: null })
    const { source, size } = await visibleLog(log)
    const scan = new ChangeScan(Math.min(log.minimumIndex, size), null)
    await scan.read(source, size)
    return scan.holdsDigest
  } catch (error) {
    if (error instanceof AgentError && error.code === 'AUDIT_LOG_NOT_FOUND') return null
    throw error
  }
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
