// SPDX-License-Identifier: Apache-2.0
import { type RememberedHead, verifyLog } from '@sallyport/audit-log'
import { createRunStore, StoreError } from '@sallyport/store'
import type { AuditPlace, AuditReport } from './contract.ts'
import { type LocatedLog, locateLog } from './located-log.ts'
import { type RememberedLog, readRemembered, writeRemembered } from './remembered-head.ts'

/** Nobody has to have witnessed it. */
const NO_WITNESSES = { logs: [], witnesses: [], groups: [], quorum: null }

/** Everything about a log that can be checked from here. */
export async function verifyAudit(place: AuditPlace, remember: string | null): Promise<AuditReport> {
  const remembered = remember === null ? null : await readRemembered(remember)
  const key = place.key ?? remembered?.key ?? null
  const log = await locateLog({ ...place, key })
  const report = await verifyLog({
    source: log.source,
    trust: { origin: log.origin, epochs: log.epochs, policy: NO_WITNESSES },
    clock: { nowS: Math.floor(Date.now() / 1000), freshnessS: null },
    remembered: headsOf(log, remembered),
    minimumIndex: 0,
    hasOurEntries: true,
  })
  const { isSound, head } = report
  if (remember !== null && isSound && head !== null) await writeRemembered(remember, { key: log.key, head })
  return {
    sound: isSound,
    directory: log.directory,
    origin: log.origin,
    size: head?.size ?? null,
    root: head === null ? null : Buffer.from(head.root).toString('base64'),
    key: log.key,
    trust: place.key !== null ? 'named' : remembered !== null ? 'remembered' : 'own',
    entriesChecked: report.entriesChecked,
    manipulation: report.manipulation,
    firstWrong: report.firstWrong,
    findings: report.findings,
    openRuns: await describeOpenRuns(place, report.openSources),
    notices: log.notices,
  }
}

function headsOf({ signed }: LocatedLog, remembered: RememberedLog | null): RememberedHead[] {
  return [
    ...(remembered === null ? [] : [{ ...remembered.head, from: 'an earlier check' }]),
    ...(signed === null ? [] : [{ ...signed, from: 'the memory of its signer' }]),
  ]
}

/** A source without an end is a run that goes on, or one that was cut off: a crash is no manipulation. */
async function describeOpenRuns({ stateDirectory, directory }: AuditPlace, sources: readonly string[]): Promise<AuditReport['openRuns']> {
  const store = directory === null ? createRunStore(stateDirectory) : null
  const runs = sources.flatMap((source) => (source.startsWith('run/') ? [source.slice('run/'.length)] : []))
  return Promise.all(runs.map(async (run) => ({ run, state: store === null ? 'unknown' : await stateOf(store, run) }) as const))
}

async function stateOf(store: ReturnType<typeof createRunStore>, run: string): Promise<AuditReport['openRuns'][number]['state']> {
  try {
    const { state } = await store.open(run)
    // Its record has an end and the log has none: the log could not be written then, or somebody kept it from the log.
    return state === 'finished' ? 'ended-elsewhere' : state === 'running' ? 'running' : 'cut-off'
  } catch (error) {
    if (error instanceof StoreError) return 'unknown'
    throw error
  }
}
