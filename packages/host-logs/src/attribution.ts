// SPDX-License-Identifier: Apache-2.0
import type { ProcessFacts } from './contract.ts'

/** A job's sandbox while it is there, as the host's kernel sees it. */
export interface WatchedJob {
  readonly job: string
  /** The last name in the paths of its cgroups, unlike any other's. */
  readonly cgroup: string
  /** The range of ids that no other job and nobody else of the host has in the meantime. */
  readonly uids: { readonly first: number; readonly count: number }
  /** Processes of it that are known by their host pids; it grows. */
  readonly pids: ReadonlySet<number>
}

/** What a record says about whose process it was: as much as it proves. */
export type Attribution =
  | { readonly of: 'job'; readonly job: string; readonly proof: 'cgroup' | 'uid' | 'pid' }
  /** Of a job, and none of this run that runs. */
  | { readonly of: 'other-job'; readonly job: null; readonly proof: 'cgroup' | 'uid' }
  /** No job can have such an id. */
  | { readonly of: 'host'; readonly job: null; readonly proof: 'uid' }
  /** It names no process, or only by a number that several had. */
  | { readonly of: 'unknown'; readonly job: null; readonly proof: null }

/** Ids of jobs, of all slots: see native/src/keeper-slot.c. */
const JOB_IDS = { first: 0x70000000, end: 0x70000000 + 4095 * 65_536 } as const

/** A cgroup proves most: only the host's root gives it its name. A pid proves least: it is given again when its process is gone. */
export function attribute({ pid, uid, cgroup }: ProcessFacts, jobs: Iterable<WatchedJob>): Attribution {
  const watched = [...jobs]
  const name = cgroup === null ? null : sandboxIn(cgroup)
  if (name !== null)
    return jobOr(
      'cgroup',
      watched.find((job) => job.cgroup === name),
    )
  if (uid !== null && uid >= JOB_IDS.first && uid < JOB_IDS.end)
    return jobOr(
      'uid',
      watched.find(({ uids }) => uid >= uids.first && uid < uids.first + uids.count),
    )
  if (uid !== null && uid !== UID_UNKNOWN) return { of: 'host', job: null, proof: 'uid' }
  const byPid = pid === null ? undefined : watched.find(({ pids }) => pids.has(pid))
  return byPid === undefined ? { of: 'unknown', job: null, proof: null } : { of: 'job', job: byPid.job, proof: 'pid' }
}

/** `(uid_t) -1`. */
const UID_UNKNOWN = 0xffffffff

function jobOr(proof: 'cgroup' | 'uid', watched: WatchedJob | undefined): Attribution {
  return watched === undefined ? { of: 'other-job', job: null, proof } : { of: 'job', job: watched.job, proof }
}

/** `…/sallyport/slot3-ID/step-1` → `slot3-ID`. */
function sandboxIn(cgroup: string): string | null {
  return /\/sallyport\/(slot\d+-[a-z0-9-]+)(?:\/|$)/.exec(cgroup)?.[1] ?? null
}
