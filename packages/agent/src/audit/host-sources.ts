// SPDX-License-Identifier: Apache-2.0
import type { HostLogNeeds } from '@sallyport/access'
import type { HostItem, HostLog, HostLogName, WatchedJob } from '@sallyport/host-logs'
import type { SecretSet } from '@sallyport/redaction'
import type { HostIdentity } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import type { RunEntries } from './run-entries.ts'
import type { SourcesBeside } from './run-log.ts'

/** A buffer of the kernel that is not read in time is overwritten. */
const TICK_MS = 1000
/** Nobody has taken them from us: the log cannot be written at the moment. */
const ITEMS_MAX = 4096

type HostLogsModule = Pick<typeof import('@sallyport/host-logs'), 'attribute' | 'HOST_LOG_NAMES' | 'openHostLog'>

/** What stands in a run's journal, in each `job.prepared`, about the logs of the host. */
export type HostLogStates = Readonly<Record<HostLogName, HostLogState>>

interface HostLogState {
  readonly state: 'read' | 'absent' | 'off'
  /** Where it is, or why it cannot be had. */
  readonly detail: string | null
}

export interface HostSourcesInput {
  readonly runId: string
  readonly needs: HostLogNeeds
  readonly secrets: Pick<SecretSet, 'redact'>
  /** Default: this host's. */
  readonly load?: () => Promise<HostLogsModule>
}

interface OpenSource {
  readonly log: HostLog
  readonly name: HostLogName
  /** Its readings do not overlap. Never rejects. */
  last: Promise<unknown>
  /** With what they prove, found out when they were read: later the ids are another job's. */
  waiting: readonly AttributedItem[]
  unkept: number
  entries: RunEntries | null
}

interface AttributedItem {
  readonly type: string
  readonly at: string
  readonly job?: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * The host's own logs as sources of the transparency log, `host/RUN/kernel`, `…/auth` and `…/journal`, from the first job of a run on. They are read
 * once a second, beside the jobs, and at the end; in between nobody waits for them. Words in them were chosen by jobs, too.
 */
export class HostSources implements SourcesBeside, Disposable {
  readonly #input: HostSourcesInput
  readonly #jobs = new Map<string, WatchedJob>()
  #module: Promise<HostLogsModule> | null = null
  #sources: ReadonlyMap<HostLogName, OpenSource> | null = null
  #states: HostLogStates = UNOPENED
  /** A log that has to be there and is not: no job starts. */
  #missing: AgentError | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(input: HostSourcesInput) {
    this.#input = input
  }

  /** Somebody waits for something else: loads what reading needs. */
  prepare(): void {
    if (Object.values(this.#input.needs).some((need) => need !== 'off')) this.#load().catch(() => undefined) // Told to whoever watches.
  }

  /**
   * Before the first code of a job: from here on, records of these ids are the job's. The first time, the logs are opened where they end.
   * It says which there are.
   * @throws AgentError HOST_LOG_MISSING
   */
  async watch(job: string, identity: HostIdentity): Promise<HostLogStates> {
    const module = await this.#load()
    if (this.#sources === null) this.#open(module)
    // What is there was written when the ids were somebody else's.
    else await this.#readKernel(module)
    if (this.#missing !== null) throw this.#missing
    this.#jobs.set(job, { job, ...identity, pids: identity.pids ?? NO_PIDS })
    return this.#states
  }

  /** Before its ids can be another's: what comes later is attributed by the name of its cgroup alone. */
  async unwatch(job: string): Promise<void> {
    if (!this.#jobs.has(job)) return
    const module = await this.#load()
    await this.#readKernel(module)
    const watched = this.#jobs.get(job)
    if (watched !== undefined) this.#jobs.set(job, { ...watched, uids: NO_IDS, pids: NO_PIDS })
  }

  #open({ HOST_LOG_NAMES, openHostLog }: HostLogsModule): void {
    const { needs } = this.#input
    const sources = new Map<HostLogName, OpenSource>()
    const states: Partial<Record<HostLogName, HostLogState>> = {}
    for (const name of HOST_LOG_NAMES) {
      const opened = needs[name] === 'off' ? null : openHostLog(name, { kernel: sources.has('kernel'), auth: sources.has('auth') })
      if (opened === null) states[name] = { state: 'off', detail: null }
      else if ('absent' in opened) states[name] = { state: 'absent', detail: opened.absent }
      else {
        states[name] = { state: 'read', detail: opened.log.place }
        sources.set(name, { log: opened.log, name, last: Promise.resolve(), waiting: [], unkept: 0, entries: null })
      }
    }
    this.#sources = sources
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
    this.#states = states as HostLogStates
    this.#missing = missingIn(needs, this.#states)
  }

  #tick(): void {
    this.#load()
      .then((module) => this.#readAll(module, false))
      .catch(() => undefined) // The end of the run reads again.
  }

  async #readAll(module: HostLogsModule, isLast: boolean): Promise<void> {
    await Promise.all([...(this.#sources?.values() ?? [])].map((source) => this.#read(source, module, isLast)))
  }

  /** Nobody is waited for: it only takes what is there. */
  async #readKernel(module: HostLogsModule): Promise<void> {
    const kernel = this.#sources?.get('kernel')
    if (kernel !== undefined) await this.#read(kernel, module, false)
  }

  #read(source: OpenSource, { attribute }: HostLogsModule, isLast: boolean): Promise<void> {
    const reading = source.last.then(async () => {
      const items = await readItems(source.log, isLast)
      const attributed = items.map((item) => this.#describe(item, source.name, attribute))
      const kept = [...source.waiting, ...attributed].slice(0, ITEMS_MAX)
      source.unkept += source.waiting.length + attributed.length - kept.length
      source.waiting = kept
    })
    source.last = reading.catch(() => undefined) // Whoever called is told.
    return reading
  }

  #describe(item: HostItem, name: HostLogName, attribute: HostLogsModule['attribute']): AttributedItem {
    // Ours, as everywhere in the log: another clock, or another time zone, is no step of it.
    const at = new Date().toISOString()
    if (item.kind === 'gap') return { type: 'host.gap', at, data: { reason: item.reason, count: item.count } }
    const { secrets } = this.#input
    // Ids are a job's for a while, and only the kernel's log is read to the end before they are another's.
    const facts = name === 'kernel' ? item : { pid: null, uid: null, cgroup: item.cgroup }
    const attribution = attribute(facts, this.#jobs.values())
    return {
      type: `host.${name}`,
      at,
      ...(attribution.of === 'job' && attribution.job !== null && { job: attribution.job }),
      data: {
        at: item.at,
        class: item.class,
        of: attribution.of,
        proof: attribution.proof,
        by: secrets.redact(item.by),
        message: secrets.redact(item.message),
        number: item.number,
        severity: item.severity,
        pid: item.pid,
      },
    }
  }

  get areWaiting(): boolean {
    return [...(this.#sources?.values() ?? [])].some(({ waiting }) => waiting.length > 0)
  }

  async take(begin: (source: string) => RunEntries): Promise<Uint8Array[]> {
    const entries: Uint8Array[] = []
    for (const source of this.#sources?.values() ?? []) entries.push(...(await this.#encode(source, begin)))
    return entries
  }

  async close(begin: (source: string) => RunEntries): Promise<Uint8Array[]> {
    if (this.#sources === null) return []
    this[Symbol.dispose]()
    const module = await this.#load()
    await this.#readAll(module, true)
    const entries: Uint8Array[] = []
    for (const source of this.#sources.values()) {
      const { log, unkept } = source
      const { notSelected, dropped } = log.counts
      entries.push(...(await this.#encode(source, begin, true)))
      entries.push(...(source.entries?.closed(null, { dropped: unkept === 0 ? dropped : { ...dropped, unkept }, notSelected }) ?? []))
      log.close()
    }
    return entries
  }

  async #encode(source: OpenSource, begin: (source: string) => RunEntries, isLast = false): Promise<Uint8Array[]> {
    const { waiting } = source
    source.waiting = []
    if (waiting.length === 0 && !isLast) return []
    const entries: Uint8Array[] = []
    if (source.entries === null) {
      source.entries = begin(`host/${this.#input.runId}/${source.name}`)
      entries.push(source.entries.begun(new Date().toISOString(), { run: this.#input.runId, place: source.log.place }))
    }
    for (const item of waiting) entries.push(await source.entries.event(item))
    return entries
  }

  /** Nothing is read any more but at the end. */
  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #load(): Promise<HostLogsModule> {
    this.#module ??= (this.#input.load ?? (() => import('@sallyport/host-logs')))()
    return this.#module
  }
}

const UNOPENED: HostLogStates = {
  kernel: { state: 'off', detail: null },
  auth: { state: 'off', detail: null },
  journal: { state: 'off', detail: null },
}
const NO_IDS = { first: 0, count: 0 } as const
const NO_PIDS: ReadonlySet<number> = new Set()

/** A log that fails is no reason for a job to: that it did is a gap. */
async function readItems(log: HostLog, isLast: boolean): Promise<readonly HostItem[]> {
  try {
    return await log.read(isLast)
  } catch {
    return [{ kind: 'gap', reason: 'unread', count: null }]
  }
}

function missingIn(needs: HostLogNeeds, states: HostLogStates): AgentError | null {
  for (const [name, { state, detail }] of Object.entries(states))
    if (state !== 'read' && needs[name as HostLogName] === 'required')
      return new AgentError(
        'HOST_LOG_MISSING',
        `Cannot run a job: the ${name} log of this host is required and cannot be read: ${detail}`,
        {
          hint: `Provide it, or let the operator's file say "${name}: available" below hostLogs`,
          details: { log: name },
        },
      )
  return null
}
