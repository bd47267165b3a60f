// SPDX-License-Identifier: Apache-2.0
import { bounded, grantKey, HOURS, jobIdOf, readerKey } from './baseline.ts'
import type { Baseline, Finding, KnownSecret, SecretDenial, SecretRead, WatchedGrant, WatchedRun } from './contract.ts'

/** Before that many runs everybody reads for the first time: nothing is said but that. */
export const LEARNING_RUNS = 3
/** Fewer reads say nothing about when a secret is usually read. */
const READS_FOR_HOURS = 20
/** An hour to each side of one in which it was read before is no unusual time. */
const HOURS_AROUND = 1
const BURST_MS = 60_000
/** Reads of one secret within a minute that no matrix needs, and how much more than ever before. */
const BURST_MIN = 20
const BURST_FACTOR = 3
const UNUSED_RUNS = 10
/** Of one rule in one run: a workflow decides how many there could be. */
const FINDINGS_MAX = 50
/** What is released is what a thief wants most. */
const RELEASES = /release|publish|deploy|prod|sign/i

export interface Judged {
  readonly findings: readonly Finding[]
  /** With this run. */
  readonly baseline: Baseline
}

/** What is odd about a run, by what earlier ones did. */
export function judgeRun(baseline: Baseline, run: WatchedRun): Judged {
  const isLearning = baseline.runs < LEARNING_RUNS
  const firstReads = firstReadsOf(baseline, run.reads)
  const unused = unusedOf(baseline, run)
  const rules: readonly (readonly Finding[])[] = [
    isLearning ? learning(baseline, firstReads, run.at) : firstReads.map(firstTimeReader),
    unusualTimes(baseline, run.reads),
    bursts(baseline, run.reads),
    run.denials.filter(({ code }) => code !== 'condition').map(deniedProbe),
    unused.filter(({ runs }) => runs >= UNUSED_RUNS).map(({ grant, runs }) => unusedGrant(grant, runs, run.at)),
    run.grants.flatMap((grant) => overGranted(grant, run.at)),
  ]
  return {
    findings: rules.flatMap((findings) => findings.slice(0, FINDINGS_MAX)),
    baseline: {
      runs: baseline.runs + 1,
      readers: withReads(baseline, run.reads),
      secrets: bounded(namesOf(run.reads).reduce((known, name) => withSecret(known, name, run.reads), baseline.secrets)),
      unused: bounded(unused.map(({ grant, runs }) => ({ key: grantKey(grant), runs }))),
    },
  }
}

function firstReadsOf({ readers }: Baseline, reads: readonly SecretRead[]): readonly SecretRead[] {
  const known = new Set(readers.map(({ key }) => key))
  return reads.filter((read) => {
    const key = readerKey(read)
    const isFirst = !known.has(key)
    known.add(key)
    return isFirst
  })
}

function learning({ runs }: Baseline, reads: readonly SecretRead[], at: string): readonly Finding[] {
  if (reads.length === 0) return []
  const who = reads.slice(0, 5).map(({ secret, job, stepId, step }) => `${secret} by ${jobIdOf(job)}.${stepId ?? step}`)
  const more = reads.length > who.length ? ` and ${reads.length - who.length} more` : ''
  const message = `learning who reads what (run ${runs + 1} of ${LEARNING_RUNS}): ${who.join(', ')}${more}`
  return [{ rule: 'learning', severity: 'info', job: null, step: null, at, message, remedy: null }]
}

function firstTimeReader({ secret, job, step, delivery, provider, path, at }: SecretRead): Finding {
  const from = path === null ? provider : `${provider}:${path}`
  const message = `no earlier run of this repository read ${secret} here (${from}, as ${delivery})`
  return { rule: 'first-time-reader', severity: 'medium', job, step, at, message, remedy: 'look at the change that brought this step' }
}

function unusualTimes({ secrets }: Baseline, reads: readonly SecretRead[]): readonly Finding[] {
  const told = new Set<string>()
  return reads.flatMap(({ secret, job, step, at }) => {
    const known = secrets.find(({ name }) => name === secret)
    const hour = hourOf(at)
    if (known === undefined || known.reads < READS_FOR_HOURS || isUsual(known, hour) || told.has(secret)) return []
    told.add(secret)
    const message = `${secret} was read at ${String(hour).padStart(2, '0')} h UTC, and in ${known.reads} earlier reads never around that hour`
    return [{ rule: 'unusual-time', severity: 'low', job, step, at, message, remedy: null } as const]
  })
}

function isUsual({ hours }: KnownSecret, hour: number): boolean {
  return hours.some((count, known) => {
    const apart = Math.abs(known - hour)
    return count > 0 && Math.min(apart, HOURS - apart) <= HOURS_AROUND
  })
}

function bursts({ secrets }: Baseline, reads: readonly SecretRead[]): readonly Finding[] {
  return namesOf(reads).flatMap((name) => {
    const { count, last } = burstOf(reads, name)
    const usual = secrets.find((known) => known.name === name)?.burst ?? 0
    if (last === null || count <= Math.max(BURST_MIN, usual * BURST_FACTOR)) return []
    const { job, step, at } = last
    const message = `${name} was read ${count} times within a minute; before, at most ${usual} times`
    return [{ rule: 'burst', severity: 'medium', job, step, at, message, remedy: null } as const]
  })
}

/** The most reads within a minute, and the last of those. */
function burstOf(reads: readonly SecretRead[], name: string): { readonly count: number; readonly last: SecretRead | null } {
  const own = reads.filter(({ secret }) => secret === name).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
  let first = 0
  let count = 0
  let last: SecretRead | null = null
  for (const [index, read] of own.entries()) {
    while (Date.parse(read.at) - Date.parse(own[first]?.at ?? read.at) >= BURST_MS) first += 1
    if (index - first + 1 <= count) continue
    count = index - first + 1
    last = read
  }
  return { count, last }
}

function deniedProbe({ secret, job, step, code, at }: SecretDenial): Finding {
  const message = `the step names ${secret} and is not granted it (${code})`
  return { rule: 'denied-probe', severity: 'medium', job, step, at, message, remedy: 'grant it, or take it out of the step' }
}

/** Of jobs that did not run nothing is learned: their count stays. */
function unusedOf({ unused }: Baseline, run: WatchedRun): readonly { readonly grant: WatchedGrant; readonly runs: number }[] {
  const named = new Set(run.reads.map(({ secret, job, stepId }) => JSON.stringify([secret, jobIdOf(job), stepId])))
  return run.grants.flatMap((grant) => {
    if (named.has(JSON.stringify([grant.secret, grant.job, grant.stepId]))) return []
    const before = unused.find(({ key }) => key === grantKey(grant))?.runs ?? 0
    return [{ grant, runs: before + (run.jobs.includes(grant.job) ? 1 : 0) }]
  })
}

function unusedGrant({ secret, job, stepId, place }: WatchedGrant, runs: number, at: string): Finding {
  const message = `${secret} is granted to ${job}.${stepId} and was not read in the last ${runs} runs of the job`
  return { rule: 'unused-grant', severity: 'low', job: null, step: null, at, message, remedy: `take the grant out (${place})` }
}

function overGranted(grant: WatchedGrant, at: string): readonly Finding[] {
  const { secret, job, stepId, delivery, namesHosts, isConditional, place } = grant
  const about = { rule: 'over-granted', severity: 'low', job: null, step: null, at } as const
  const isReal = namesHosts && delivery !== 'placeholder'
  const isRelease = !isConditional && (RELEASES.test(job) || RELEASES.test(stepId) || RELEASES.test(secret))
  return [
    ...(isReal
      ? [
          {
            ...about,
            message: `${job}.${stepId} gets the value of ${secret} (${delivery}), though the hosts it is for are known`,
            remedy: `deliver: placeholder (${place})`,
          },
        ]
      : []),
    ...(isRelease
      ? [
          {
            ...about,
            message: `${job}.${stepId} gets ${secret} for every event and ref`,
            remedy: `add when: with refs or events (${place})`,
          },
        ]
      : []),
  ]
}

function withReads({ readers }: Baseline, reads: readonly SecretRead[]): Baseline['readers'] {
  const counts = new Map(readers.map(({ key, count }) => [key, count]))
  for (const key of reads.map(readerKey)) {
    const count = counts.get(key) ?? 0
    // Last again: the oldest are forgotten first.
    counts.delete(key)
    counts.set(key, count + 1)
  }
  return bounded(Array.from(counts, ([key, count]) => ({ key, count })))
}

function withSecret(known: readonly KnownSecret[], name: string, reads: readonly SecretRead[]): readonly KnownSecret[] {
  const before = known.find((secret) => secret.name === name) ?? { name, reads: 0, hours: Array<number>(HOURS).fill(0), burst: 0 }
  const own = reads.filter(({ secret }) => secret === name)
  const hours = before.hours.map((count, hour) => count + own.filter(({ at }) => hourOf(at) === hour).length)
  const burst = Math.max(before.burst, burstOf(own, name).count)
  return [...known.filter((secret) => secret.name !== name), { name, reads: before.reads + own.length, hours, burst }]
}

function namesOf(reads: readonly SecretRead[]): readonly string[] {
  return [...new Set(reads.map(({ secret }) => secret))]
}

function hourOf(at: string): number {
  return Number(at.slice(11, 13))
}
