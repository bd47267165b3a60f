// SPDX-License-Identifier: Apache-2.0
import type { ArchivedRange, LegalHold, Retention } from '@sallyport/store'
import { archivableRange } from './archive-log.ts'
import { type ChangeSession, changeLog } from './change-session.ts'
import type { RetentionClass } from './contract.ts'
import { listHolds } from './holds.ts'
import { locateLog } from './located-log.ts'
import type { Recorded, RetentionReport } from './retention-contract.ts'
import { type KeepDays, readRetention, retentionPath } from './retention-file.ts'
import { planRetention, type RetentionPlan } from './retention-plan.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** Their names have to fit into one entry. */
const SOURCES_PER_ENTRY = 400

/** Says what is over its time; `applies` erases it, but for entries: those go into an archive when somebody makes one. */
export async function retain(stateDirectory: string, applies: boolean): Promise<RetentionReport> {
  const keepDays = await readRetention(stateDirectory)
  const now = new Date()
  if (applies)
    return changeLog(stateDirectory, async (session) => {
      const retention = retentionOf(keepDays, session.holds, now)
      const plan = await planRetention(stateDirectory, retention)
      return describe(stateDirectory, { keepDays, plan, retention }, await apply(session, plan, { keepDays, now }))
    })
  const retention = retentionOf(keepDays, await listHolds(stateDirectory), now)
  return describe(stateDirectory, { keepDays, plan: await planRetention(stateDirectory, retention), retention }, [])
}

function retentionOf(keepDays: KeepDays, holds: readonly LegalHold[], now: Date): Retention {
  return { policy: { keepDays, classOf: () => 'entry' }, holds, now }
}

async function apply(
  session: ChangeSession,
  { due }: RetentionPlan,
  { keepDays, now }: { readonly keepDays: KeepDays; readonly now: Date },
): Promise<readonly Recorded[]> {
  const recorded: Recorded[] = []
  for (const [kept, names] of due) {
    const sources = [...names].toSorted()
    const days = keepDays[kept] ?? 0
    const before = new Date(now.getTime() - days * DAY_MS).toISOString()
    for (let at = 0; at < sources.length; at += SOURCES_PER_ENTRY) {
      const batch = sources.slice(at, at + SOURCES_PER_ENTRY)
      const reason = `kept for ${days} days`
      recorded.push(await session.make({ type: 'payload.erased', cause: 'retention', reason, sources: batch, classes: [kept], before }))
    }
  }
  return recorded
}

interface Parts {
  readonly keepDays: KeepDays
  readonly plan: RetentionPlan
  readonly retention: Retention
}

async function describe(
  stateDirectory: string,
  { keepDays, plan, retention }: Parts,
  recorded: readonly Recorded[],
): Promise<RetentionReport> {
  const { caller = null, output = null, record = null, entry = null } = keepDays
  return {
    file: retentionPath(stateDirectory),
    keepDays: { caller, output, record, entry },
    due: [...plan.due].flatMap(([kept, { size }]) => (size === 0 ? [] : [dueClass(kept, size, plan)])),
    held: plan.held.size,
    archivable: entry === null ? null : await archivable(stateDirectory, retention),
    entries: recorded.map((made) => made.entry),
    notices: [...new Set(recorded.flatMap(({ notices }) => notices))],
  }
}

function dueClass(kept: RetentionClass, sources: number, { outputBytes }: RetentionPlan): RetentionReport['due'][number] {
  return { class: kept, sources, bytes: outputBytes.get(kept) ?? 0 }
}

async function archivable(stateDirectory: string, retention: Retention): Promise<ArchivedRange | null> {
  return archivableRange(await locateLog({ stateDirectory, directory: null, key: null }), retention)
}
