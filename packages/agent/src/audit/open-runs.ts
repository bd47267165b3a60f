// SPDX-License-Identifier: Apache-2.0
import { createRunStore, StoreError } from '@sallyport/store'
import type { AuditReport } from './contract.ts'
import { claimOf } from './run-range.ts'

type OpenRun = AuditReport['openRuns'][number]

/**
 * A source without an end is a run that goes on, or one that was cut off: a crash is no manipulation. `stateDirectory`: where the records are; null:
 * nobody knows. `size`: of the log that was looked at.
 */
export async function describeOpenRuns(sources: readonly string[], stateDirectory: string | null, size: number): Promise<OpenRun[]> {
  const runs = sources.flatMap((source) => (source.startsWith('run/') ? [source.slice('run/'.length)] : []))
  return Promise.all(
    runs.map(
      async (run): Promise<OpenRun> => ({ run, state: stateDirectory === null ? 'unknown' : await stateOf(stateDirectory, run, size) }),
    ),
  )
}

async function stateOf(stateDirectory: string, run: string, size: number): Promise<OpenRun['state']> {
  try {
    const { state, document } = await createRunStore(stateDirectory).open(run)
    if (state !== 'finished') return state === 'running' ? 'running' : 'cut-off'
    const claim = claimOf(run, document)
    // It has ended since we looked. Else its record has an end and the log has none: the log could not be written then, or somebody kept it from the log.
    return claim !== null && claim.last >= size ? 'running' : 'ended-elsewhere'
  } catch (error) {
    if (error instanceof StoreError) return 'unknown'
    throw error
  }
}
