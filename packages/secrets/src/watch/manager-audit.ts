// SPDX-License-Identifier: Apache-2.0
// A manager's audit log beside ours: what it handed out to nobody that we know, and what it does not show although we had it.
import { ANY_SECRET } from './cloudtrail.ts'
import type { ManagerEntry, ManagerRead } from './manager-log.ts'

export type ManagerFindingRule =
  | 'read-around-broker'
  | 'login-around-broker'
  | 'read-not-shown'
  | 'read-more-often'
  | 'log-gap'
  | 'log-unreadable'

export interface ManagerFinding {
  readonly rule: ManagerFindingRule
  readonly severity: 'low' | 'medium' | 'high'
  /** ISO 8601; null where the log does not say. */
  readonly at: string | null
  /** What was read, as addresses name it; null for what is about the log. */
  readonly path: string | null
  /** One sentence. Names in it may be anybody's: whoever shows it makes it safe. */
  readonly message: string
  readonly remedy: string
  /** `FILE:LINE` of the manager's log; null for what is not in it. */
  readonly place: string | null
}

/** A job, in whose name a session was opened. */
export interface OwnJob {
  readonly run: string
  readonly job: string
}

/** What our own log says of one read. */
export interface OwnRead extends OwnJob {
  readonly atMs: number
  readonly secret: string
  readonly path: string
}

export interface ManagerAuditOptions {
  /** Whether a job may have it. What else the manager holds is not ours to judge. */
  readonly isWatched: (path: string) => boolean
  readonly namesOf: (path: string) => readonly string[]
  /** Whose reads are expected, by what the manager knows them as. */
  readonly known: ReadonlySet<string>
  /** What is older is not judged; milliseconds since 1970. */
  readonly sinceMs: number
}

export interface ManagerAuditCounts {
  /** Of watched secrets. */
  readonly reads: number
  readonly ours: number
  readonly known: number
}

/** Clocks of the manager and of this machine differ at most by so much. */
const CLOCKS_MS = 5000
/** Of different jobs and secrets in one log; more are no longer compared one by one. */
const TALLY_MAX = 200_000

interface Held {
  readonly place: string
  readonly read: ManagerRead
}

export class ManagerAudit {
  readonly #options: ManagerAuditOptions
  readonly #findings: ManagerFinding[] = []
  /** Reads that nobody has judged. */
  #held: Held[] = []
  /** Reads that the manager shows, by job and name of the secret. */
  readonly #shown = new Map<string, number>()
  #fromMs: number | null = null
  #toMs: number | null = null
  #counts = { reads: 0, ours: 0, known: 0 }

  constructor(options: ManagerAuditOptions) {
    this.#options = options
  }

  get counts(): ManagerAuditCounts {
    return this.#counts
  }

  /** From when to when the log reaches; null: it has no entry. */
  get reach(): { readonly fromMs: number; readonly toMs: number } | null {
    return this.#fromMs === null || this.#toMs === null ? null : { fromMs: this.#fromMs, toMs: this.#toMs }
  }

  /** Reads that wait for {@link judge}. */
  get held(): number {
    return this.#held.length
  }

  /** Of marks that `isOurs` does not know, which may only have been recorded since it was asked. */
  hasUnknown(isOurs: (mark: string) => boolean): boolean {
    return this.#held.some(({ read }) => !isOurs(read.mark))
  }

  /** Whether marks in what is held are written so. */
  isHashed(form: RegExp): boolean {
    return this.#held.some(({ read }) => form.test(read.mark))
  }

  add(file: string, entry: ManagerEntry): void {
    const place = `${file}:${entry.line}`
    if (entry.kind === 'unreadable') return this.#tell(unreadable(place, entry.why))
    const atMs = entry.kind === 'read' ? entry.read.atMs : entry.atMs
    this.#fromMs = Math.min(this.#fromMs ?? atMs, atMs)
    this.#toMs = Math.max(this.#toMs ?? atMs, atMs)
    if (atMs < this.#options.sinceMs) return
    if (entry.kind === 'gap') this.#tell(gap(place, atMs, entry.why))
    if (entry.kind === 'read' && this.#isWatched(entry.read)) this.#held.push({ place, read: entry.read })
  }

  /** The file that was read is not the one that is there now, or was cut. */
  cut(file: string, why: string): void {
    this.#tell(gap(file, null, why))
  }

  /** Judges what is held, by marks as the manager's log shows them, and answers with what was found since the last time. */
  judge(ours: ReadonlyMap<string, OwnJob>): readonly ManagerFinding[] {
    for (const held of this.#held) this.#judgeOne(held, ours.get(held.read.mark))
    this.#held = []
    return this.#findings.splice(0)
  }

  /** At the end of the log: what we had, and it does not show. */
  end(reads: readonly OwnRead[]): readonly ManagerFinding[] {
    const { reach } = this
    if (reach === null) return []
    const fromMs = Math.max(reach.fromMs, this.#options.sinceMs) + CLOCKS_MS
    const own = new Map<string, OwnRead[]>()
    for (const read of reads) {
      const key = keyOf(read, read.path)
      own.set(key, [...(own.get(key) ?? []), read])
    }
    for (const group of own.values()) this.#compare(group, { fromMs, toMs: reach.toMs - CLOCKS_MS })
    return this.#findings.splice(0)
  }

  #isWatched({ paths, isLogin }: ManagerRead): boolean {
    return isLogin || paths.some((path) => path === ANY_SECRET || this.#options.isWatched(path))
  }

  #judgeOne({ place, read }: Held, job: OwnJob | undefined): void {
    this.#counts.reads += 1
    if (job !== undefined) {
      this.#counts.ours += 1
      for (const path of read.paths) this.#count(keyOf(job, path))
    } else if (read.who !== null && this.#options.known.has(read.who)) this.#counts.known += 1
    else this.#tell(around(place, read))
  }

  #count(key: string): void {
    if (this.#shown.has(key) || this.#shown.size < TALLY_MAX) this.#shown.set(key, (this.#shown.get(key) ?? 0) + 1)
  }

  /** All reads of one secret by one job. Those at the ends of the log may be just outside of it. */
  #compare(group: readonly OwnRead[], { fromMs, toMs }: { fromMs: number; toMs: number }): void {
    const [first] = group
    if (first === undefined) return
    const shown = Math.max(0, ...this.#options.namesOf(first.path).map((path) => this.#shown.get(keyOf(first, path)) ?? 0))
    const within = group.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    const [missed] = within
    if (missed !== undefined && within.length > shown) this.#tell(notShown(missed, within.length, shown))
    if (shown > group.length) this.#tell(moreOften(first, group.length, shown))
  }

  #tell(finding: ManagerFinding): void {
    this.#findings.push(finding)
  }
}

const keyOf = ({ run, job }: OwnJob, path: string): string => JSON.stringify([run, job, path])
const isoOf = (ms: number): string => new Date(ms).toISOString()

function around(place: string, { atMs, operation, paths, who, name, from, isLogin }: ManagerRead): ManagerFinding {
  const [path = ''] = paths
  const by = `"${name}"${who === null || who === name ? '' : ` (${who})`} from ${from === '' ? 'an unknown address' : from}`
  const what =
    path === ANY_SECRET
      ? 'secrets by a filter, which may be any of them,'
      : paths.length > 1
        ? `"${path}" (or: ${paths.slice(1, 4).join(', ')})`
        : `"${path}"`
  return {
    rule: isLogin ? 'login-around-broker' : 'read-around-broker',
    severity: 'high',
    at: isoOf(atMs),
    path,
    message: isLogin
      ? `${by} was given credentials of the role ${what} (${operation}), and it was no job of this machine`
      : `${by} read ${what} (${operation}), and it was no job of this machine`,
    remedy: isLogin
      ? 'Find out who it was; narrow the trust policy of the role; if they are expected, name them with --known'
      : 'Find out who it was and take their access; rotate the secret; if they are expected, name them with --known',
    place,
  }
}

function notShown({ atMs, run, job, secret, path }: OwnRead, had: number, shown: number): ManagerFinding {
  return {
    rule: 'read-not-shown',
    severity: 'high',
    at: isoOf(atMs),
    path,
    message: `job ${job} of run ${run} read ${secret} ("${path}") ${timesOf(had)} while the log was written, and it shows ${shown === 0 ? 'none of it' : timesOf(shown)}`,
    remedy:
      "See that it is the log of this provider, whole and unedited, with all rotated files; else treat the manager's log as tampered with",
    place: null,
  }
}

function moreOften({ atMs, run, job, secret, path }: OwnRead, had: number, shown: number): ManagerFinding {
  return {
    rule: 'read-more-often',
    severity: 'low',
    at: isoOf(atMs),
    path,
    message: `the log shows "${path}" (${secret}) ${timesOf(shown)} for job ${job} of run ${run}, which read it ${timesOf(had)}`,
    remedy: 'An answer that was lost on its way is asked for once more; without such a failure somebody else has a credential of the job',
    place: null,
  }
}

function gap(place: string, atMs: number | null, why: string): ManagerFinding {
  return {
    rule: 'log-gap',
    severity: 'medium',
    at: atMs === null ? null : isoOf(atMs),
    path: null,
    message: `something is missing: ${why}`,
    remedy: 'Name all files of the log, the oldest first; if they are, find out who can write to them',
    place,
  }
}

function unreadable(place: string, why: string): ManagerFinding {
  return {
    rule: 'log-unreadable',
    severity: 'medium',
    at: null,
    path: null,
    message: `cannot be read: ${why}`,
    remedy: 'What cannot be read may hide a read: get the file anew from where it is kept',
    place,
  }
}

const timesOf = (count: number): string => (count === 1 ? 'once' : `${count} times`)
