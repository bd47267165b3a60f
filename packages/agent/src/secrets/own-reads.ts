// SPDX-License-Identifier: Apache-2.0
// What our own transparency log says of the secrets that jobs had from one provider.
import type { LogEntry } from '@sallyport/audit-log'
import { listNotedSessions, type OwnJob, type OwnRead } from '@sallyport/secrets'
import { AgentError } from '../agent-error.ts'
import { showEntries } from '../audit/show.ts'
import { leaseDirectory } from './lease-directory.ts'

export interface OwnReads {
  /** By the mark of a session's credential, as we know it. */
  readonly sessions: ReadonlyMap<string, OwnJob>
  readonly reads: readonly OwnRead[]
  /** That some step was granted. */
  readonly paths: ReadonlySet<string>
}

/** `since`: ISO 8601, or null for all that the log has. */
export async function ownReads(stateDirectory: string, provider: string, since: string | null): Promise<OwnReads> {
  const sessions = new Map<string, OwnJob>()
  const reads: OwnRead[] = []
  const paths = new Set<string>()
  // First: a session that ends in between is in the log by then.
  for (const { run, sessions: noted } of await listNotedSessions(leaseDirectory(stateDirectory)))
    for (const each of noted) if (each.provider === provider) sessions.set(each.handle, { run, job: each.job })
  for await (const entry of secretEntries(stateDirectory, since)) {
    const data = entry.data ?? {}
    const run = entry.source.replace(/^run\//, '')
    const { path, mark, name } = data
    if (data['provider'] !== provider) continue
    if (entry.type === 'secret.session' && typeof mark === 'string')
      sessions.set(mark, { run: typeof data['run'] === 'string' ? data['run'] : run, job: String(data['job']) })
    if (typeof path !== 'string') continue
    if (entry.type === 'secret.granted') paths.add(path)
    if (entry.type === 'secret.read') reads.push({ ...readerOf(entry, run), atMs: Date.parse(entry.at), secret: String(name), path })
  }
  return { sessions, reads, paths }
}

/** Of a job's run; or, in an entry of the operator's, of what the entry says. */
function readerOf({ job, data }: LogEntry, run: string): OwnJob {
  const { run: named, job: by } = data ?? {}
  return job === undefined && typeof named === 'string' && typeof by === 'string' ? { run: named, job: by } : { run, job: job ?? '' }
}

async function* secretEntries(stateDirectory: string, since: string | null): AsyncGenerator<LogEntry> {
  const none = { run: null, job: null, until: null, secret: null, host: null, actor: null }
  try {
    const place = { stateDirectory, directory: null, key: null }
    for await (const { entry } of showEntries(place, { ...none, type: 'secret.*', since })) yield entry
  } catch (error) {
    // Nothing ever ran here: nothing is ours
    if (!(error instanceof AgentError) || error.code !== 'AUDIT_LOG_NOT_FOUND') throw error
  }
}
