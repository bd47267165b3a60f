// SPDX-License-Identifier: Apache-2.0
// What the entries say about each other: sequence numbers of each source, and the counts at the end of sources and jobs. It
// finds what was left out before it came into the log, where no hash can tell.
import type { Buffer } from 'node:buffer'
import { printable, quote } from '@sallyport/core'
import type { LogEntry } from '../contract.ts'
import {
  isCount,
  isLogEntry,
  isObject,
  JOB_CLOSED,
  LOG_ARCHIVED,
  LOG_SOURCE,
  SOURCE_CLOSED,
  SOURCE_GAP,
  SOURCE_OPENED,
} from '../entry/log-entry.ts'
import type { ExpectedEntries } from './expected-entries.ts'
import { entryAt, type Findings } from './finding.ts'

interface SourceState {
  /** Of its last entry. */
  seq: number
  /** Entries before its first one that we saw are not there to look at: pruned, or found to be wrong. */
  isPartlyUnseen: boolean
  readonly jobs: Map<string, number>
}

/** Sources that are followed at a time; beyond, the one that was first is given up. As many ended ones are remembered. */
const SOURCES_MAX = 20_000
/** Jobs, of all sources together, whose entries are counted at a time. */
const JOBS_MAX = 100_000

export interface LedgerSummary {
  /** Sources that have begun and not ended. */
  readonly openSources: readonly string[]
  /** The latest wall clock that an entry bears, and that is not ahead of ours. */
  readonly lastAtMs: number | null
  /** Up to where an entry says that the log was archived; 0 without one. */
  readonly archivedTo: number
  /** Digest of the legal holds that are in force, by the last entry that says so; null without one. */
  readonly holdsDigest: string | null
}

export interface LedgerOptions {
  readonly isPartlyUnseen: boolean
  readonly atMaxMs: number
  readonly expected: ExpectedEntries
}

export class SourceLedger {
  readonly #findings: Findings
  readonly #expected: ExpectedEntries
  readonly #open = new Map<string, SourceState>()
  readonly #closed = new Set<string>()
  /** Whether a source that appears may have begun where we did not look. */
  #isPartlyUnseen: boolean
  #jobs = 0
  #lastAt = ''
  #lastKnownAt = ''
  #archivedTo = 0
  #holdsDigest: string | null = null
  /** Later times are a clock that is wrong: they say nothing about when the log was last written. */
  readonly #atMax: string

  constructor(findings: Findings, { isPartlyUnseen, atMaxMs, expected }: LedgerOptions) {
    this.#findings = findings
    this.#expected = expected
    this.#atMax = new Date(atMaxMs).toISOString()
    this.#isPartlyUnseen = isPartlyUnseen
  }

  add(bytes: Buffer, { start, end }: { readonly start: number; readonly end: number }, index: number): void {
    const entry = parseFacts(bytes.toString('utf8', start, end))
    this.#expected.compare(index, entry)
    if (entry === null) {
      this.#findings.add({ kind: 'entry-malformed', entries: entryAt(index), message: `entry ${index} is not in the form of ours` })
      return
    }
    this.#noteChange(entry)
    this.#checkClock(entry, index)
    this.#checkSource(entry, index)
  }

  #noteChange({ source, type, data }: LogEntry): void {
    if (source !== LOG_SOURCE) return
    const { end, holds } = data ?? {}
    if (type === LOG_ARCHIVED && isCount(end)) this.#archivedTo = Math.max(this.#archivedTo, end)
    if (typeof holds === 'string') this.#holdsDigest = holds
  }

  /** Entries were not looked at, so that every source may go on anywhere. */
  loseTrack(): void {
    this.#isPartlyUnseen = true
    this.#open.clear()
    this.#jobs = 0
  }

  finish(): LedgerSummary {
    const lastAtMs = this.#lastKnownAt === '' ? null : Date.parse(this.#lastKnownAt)
    return { openSources: [...this.#open.keys()], lastAtMs, archivedTo: this.#archivedTo, holdsDigest: this.#holdsDigest }
  }

  /** A clock that is set back is no proof of anything: the order of the log is that of its entries. */
  #checkClock({ at }: LogEntry, index: number): void {
    // One spelling of fixed width: the order of times is that of their texts
    if (at > this.#lastKnownAt && at <= this.#atMax) this.#lastKnownAt = at
    if (at >= this.#lastAt) this.#lastAt = at
    else if (isStepBack(this.#lastAt, at))
      this.#findings.add({
        kind: 'clock-stepped',
        severity: 'notice',
        entries: entryAt(index),
        message: `the clock was set back before entry ${index}`,
      })
  }

  #checkSource(entry: LogEntry, index: number): void {
    const { source, seq, type } = entry
    const state = this.#open.get(source) ?? this.#begin(entry, index)
    if (seq !== state.seq + 1) this.#reportSequence(entry, state, index)
    state.seq = seq
    if (type === SOURCE_GAP) this.#skip(entry, state, index)
    this.#countJob(entry, state, index)
    if (type === SOURCE_CLOSED) {
      this.#jobs -= state.jobs.size
      this.#close(entry, index)
    }
  }

  #begin({ source, seq, type }: LogEntry, index: number): SourceState {
    const isFirst = seq === 1 && (type === SOURCE_OPENED || type === SOURCE_GAP)
    if (this.#closed.has(source))
      this.#report('source-reopened', index, `the source ${quote(source)} goes on after its end, at entry ${index}`)
    else if (!isFirst && !this.#isPartlyUnseen)
      this.#report('source-unopened', index, `the source ${quote(source)} begins with ${seq} ${quote(type)}, at entry ${index}`)
    const state = { seq: seq - 1, isPartlyUnseen: !isFirst, jobs: new Map<string, number>() }
    this.#open.set(source, state)
    // What comes again later cannot be told from a source that begins in the middle
    if (dropFirst(this.#open)) this.#isPartlyUnseen = true
    return state
  }

  #reportSequence({ source, seq }: LogEntry, state: SourceState, index: number): void {
    if (seq > state.seq)
      this.#report('sequence-gap', index, `${seq - state.seq - 1} entries of the source ${quote(source)} are missing before entry ${index}`)
    else this.#report('sequence-repeated', index, `the source ${quote(source)} counts ${state.seq}, then ${seq}, at entry ${index}`)
  }

  /** Told by whoever received the source: nothing was hidden, but jobs may have lost entries. */
  #skip({ source, seq, data }: LogEntry, state: SourceState, index: number): void {
    const last = data?.['last']
    if (isCount(last) && last > seq) state.seq = last
    state.isPartlyUnseen = true
    const message = `${state.seq - seq + 1} entries of the source ${quote(source)} never came (${printable(String(data?.['reason']))}): a gap, at entry ${index}`
    this.#findings.add({ kind: 'events-dropped', severity: 'notice', entries: entryAt(index), message })
  }

  #countJob({ job, type, data, source }: LogEntry, state: SourceState, index: number): void {
    const { jobs, isPartlyUnseen } = state
    if (job === undefined) return
    const earlier = jobs.get(job)
    if (earlier === undefined && !this.#hasRoomForJob(state)) return
    const count = (earlier ?? 0) + 1
    jobs.set(job, count)
    if (type === JOB_CLOSED && data?.['events'] !== count && !isPartlyUnseen)
      this.#report(
        'job-count-wrong',
        index,
        `the job ${quote(job)} of ${quote(source)} has ${count} entries and says ${said(data)}, at entry ${index}`,
      )
  }

  /** A job that is not counted from its first entry on is not counted, nor is any other of its source from then on. */
  #hasRoomForJob(state: SourceState): boolean {
    if (this.#jobs >= JOBS_MAX) state.isPartlyUnseen = true
    else this.#jobs += 1
    return this.#jobs < JOBS_MAX
  }

  #close({ source, seq, data }: LogEntry, index: number): void {
    this.#open.delete(source)
    this.#closed.add(source)
    dropFirst(this.#closed)
    if (data?.['events'] !== seq)
      this.#report('source-count-wrong', index, `the source ${quote(source)} ends with ${seq} and says ${said(data)}, at entry ${index}`)
    const dropped = isObject(data?.['dropped']) ? Object.entries(data['dropped']).filter(([, count]) => isCount(count) && count > 0) : []
    if (dropped.length === 0) return
    const message = `the source ${quote(source)} could not record all: ${dropped.map(([reason, count]) => `${printable(reason)} ${String(count)}`).join(', ')}`
    this.#findings.add({ kind: 'events-dropped', severity: 'notice', entries: entryAt(index), message })
  }

  #report(
    kind: 'source-reopened' | 'source-unopened' | 'sequence-gap' | 'sequence-repeated' | 'job-count-wrong' | 'source-count-wrong',
    index: number,
    message: string,
  ): void {
    this.#findings.add({ kind, manipulation: 'events-suppressed', entries: entryAt(index), message })
  }
}

/** The count at an end; it may be anything, since whoever wrote the entry chose it. */
function said(data: LogEntry['data']): string {
  const events = data?.['events']
  return isCount(events) ? String(events) : 'nothing'
}

/** Keeps a collection from growing past its bound; true when it did. */
function dropFirst(collection: { readonly size: number; keys(): Iterator<string>; delete(key: string): boolean }): boolean {
  if (collection.size <= SOURCES_MAX) return false
  const first = collection.keys().next()
  return first.done !== true && collection.delete(first.value)
}

/** Steps smaller than this are those of sources that write side by side. */
const STEP_BACK_MS = 60_000

function isStepBack(from: string, to: string): boolean {
  return Date.parse(from) - Date.parse(to) > STEP_BACK_MS
}

function parseFacts(text: string): LogEntry | null {
  try {
    const value: unknown = JSON.parse(text)
    return isLogEntry(value) ? value : null
  } catch {
    // The only thing that it throws: the text is no JSON
    return null
  }
}
