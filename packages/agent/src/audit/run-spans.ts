// SPDX-License-Identifier: Apache-2.0
import { createRunStore, type RunSummary } from '@sallyport/store'

/** From when to when a run was, as a hold on a time is compared with. */
export interface RunSpan {
  readonly at: string
  readonly endedAt: string
  readonly isRunning: boolean
}

/** Nobody knows when: any hold on a time is about it. */
export const UNKNOWN_SPAN: RunSpan = { at: '', endedAt: '9', isRunning: false }

/** Of the runs that have a record, by their source in the log. */
export async function runSpans(stateDirectory: string): Promise<ReadonlyMap<string, RunSpan>> {
  const runs = await createRunStore(stateDirectory).list()
  return new Map(runs.map((run) => [`run/${run.id}`, spanOf(run)]))
}

function spanOf({ startedAt, durationMs, conclusion }: RunSummary): RunSpan {
  const isRunning = conclusion === 'running'
  const startMs = Date.parse(startedAt)
  if (Number.isNaN(startMs)) return { ...UNKNOWN_SPAN, isRunning }
  // One that was cut off has no end
  const endedAt = durationMs === null ? UNKNOWN_SPAN.endedAt : new Date(startMs + durationMs).toISOString()
  return { at: startedAt, endedAt, isRunning }
}
