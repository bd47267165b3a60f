// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { withDeadline } from '@sallyport/http'
import {
  type JobFacts,
  PROVIDER_TIMEOUT_MS,
  type ProviderLease,
  type ProviderSession,
  type ReadSecret,
  type SecretProvider,
} from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'
import { inParallel } from './in-parallel.ts'
import type { LeaseJournal, NotedSession } from './lease-journal.ts'
import { LeaseTimer } from './lease-timer.ts'
import type { BrokerEvent, ReadRequest, Unrevoked } from './messages.ts'

export interface BrokerParts {
  readonly providers: ReadonlyMap<string, SecretProvider>
  readonly journal: LeaseJournal
  readonly observe: (event: BrokerEvent) => void
  readonly nowMs: () => number
}

export interface Ended {
  readonly revoked: number
  readonly unrevoked: readonly Unrevoked[]
}

/** One session of a job, and its place in the journal. */
interface OpenSession {
  readonly session: ProviderSession
  readonly provider: SecretProvider
  readonly noted: readonly NotedSession[]
}

interface Job {
  readonly identity: JobFacts
  readonly endsAtMs: number
  /** By provider; a promise: two steps' first reads open one session. */
  readonly sessions: Map<string, Promise<OpenSession>>
  readonly leases: Set<HeldLease>
}

interface HeldLease {
  readonly step: string
  readonly open: OpenSession
  readonly timer: LeaseTimer
}

/** At a time, of one provider's: revoking a hundred leases is to take a second, and a provider is to survive it. */
const PARALLEL = 16

/** Who reads secrets, for whom, and ends what was made for it. It keeps leases and no value. */
export class Broker {
  readonly #parts: BrokerParts
  readonly #jobs = new Map<string, Job>()

  constructor(parts: BrokerParts) {
    this.#parts = parts
  }

  openJob(job: string, identity: JobFacts, ttlMs: number): void {
    if (this.#jobs.has(job)) throw new TypeError('a job that is open already')
    this.#jobs.set(job, { identity, endsAtMs: this.#parts.nowMs() + ttlMs, sessions: new Map(), leases: new Set() })
  }

  /** @throws SecretsError */
  async read({ job, step, provider, address, token }: ReadRequest): Promise<ReadSecret> {
    const of = this.#jobs.get(job)
    if (of === undefined) throw new TypeError('a read for a job that is not open')
    const open = await this.#session(of, { job, provider, token })
    const read = await inTime((signal) => open.session.read(address, signal))
    if (read.lease !== null) this.#hold(job, of, { step, open, lease: read.lease })
    return read
  }

  #session(of: Job, request: Omit<ReadRequest, 'step' | 'address'>): Promise<OpenSession> {
    const { provider: name } = request
    const open = of.sessions.get(name)
    if (open !== undefined) return open
    const opening = this.#openSession(of, request)
    of.sessions.set(name, opening)
    // The next read may have more luck.
    opening.catch(() => of.sessions.delete(name))
    return opening
  }

  async #openSession(of: Job, { job, provider: name, token }: Omit<ReadRequest, 'step' | 'address'>): Promise<OpenSession> {
    const { providers, journal, nowMs, observe } = this.#parts
    const provider = providers.get(name)
    if (provider === undefined) throw new SecretsError('PROVIDER_CONFIG_INVALID', `There is no provider "${name}"`)
    const noted: NotedSession[] = []
    const note = async (handle: string): Promise<void> => {
      const session: NotedSession = { provider: name, handle, job, untilMs: of.endsAtMs }
      noted.push(session)
      await journal.note(session)
    }
    const mark = (text: string): void => observe({ kind: 'session', run: null, job, provider: name, mark: text })
    const identity = { ...of.identity, token }
    const session = await inTime((signal) =>
      provider.openSession({ identity, ttlMs: Math.max(0, of.endsAtMs - nowMs()), note, mark }, signal),
    )
    return { session, provider, noted }
  }

  #hold(job: string, of: Job, { step, open, lease }: { step: string; open: OpenSession; lease: ProviderLease }): void {
    const provider = open.provider.name
    const { observe, nowMs } = this.#parts
    const ttlMs = lease.expiresAtMs - nowMs()
    const timer = new LeaseTimer(lease, {
      nowMs,
      renew: (current) => inTime((signal) => open.session.renew(current, ttlMs, signal)),
      renewed: ({ expiresAtMs }) => observe({ kind: 'renewed', job, step, provider, expiresAtMs }),
      failed: (error) => observe({ kind: 'not-renewed', job, step, provider, message: messageOf(error) }),
    })
    of.leases.add({ step, open, timer })
  }

  /** What could not be revoked is tried again when the job ends. */
  async endStep(job: string, step: string): Promise<Ended> {
    const of = this.#jobs.get(job)
    const held = [...(of?.leases ?? [])].filter((lease) => lease.step === step)
    return total(await inParallel(held, PARALLEL, (lease) => this.#revoke(job, of, lease)))
  }

  async #revoke(job: string, of: Job | undefined, held: HeldLease): Promise<Ended> {
    const lease = await held.timer.stop()
    const { name, ending } = held.open.provider
    try {
      await inTime((signal) => held.open.session.revoke(lease, signal))
      of?.leases.delete(held)
      return { revoked: ending.kind === 'revoked' ? 1 : 0, unrevoked: [] }
    } catch (error) {
      return { revoked: 0, unrevoked: [{ provider: name, job, message: messageOf(error), untilMs: lease.expiresAtMs }] }
    }
  }

  /** Everything of the job. What does not end now is left in the journal, for whoever sweeps next. Idempotent. */
  async endJob(job: string): Promise<Ended> {
    const of = this.#jobs.get(job)
    if (of === undefined) return { revoked: 0, unrevoked: [] }
    this.#jobs.delete(job)
    const leases = [...of.leases]
    await Promise.all(leases.map(({ timer }) => timer.stop()))
    const sessions = (await Promise.allSettled(of.sessions.values())).flatMap((opened) =>
      opened.status === 'fulfilled' ? [opened.value] : [],
    )
    const ended = await inParallel(sessions, PARALLEL, (open) =>
      this.#endSession(job, open, leases.filter((lease) => lease.open === open).length),
    )
    return total(ended)
  }

  async #endSession(job: string, { session, provider, noted }: OpenSession, leases: number): Promise<Ended> {
    try {
      await inTime((signal) => session.end(signal))
      for (const each of noted) await this.#parts.journal.ended(each)
      return { revoked: provider.ending.kind === 'revoked' ? leases : 0, unrevoked: [] }
    } catch (error) {
      const untilMs = Math.max(0, ...noted.map((each) => each.untilMs))
      return { revoked: 0, unrevoked: [{ provider: provider.name, job, message: messageOf(error), untilMs }] }
    }
  }

  async endAllJobs(): Promise<Ended> {
    return total(await Promise.all([...this.#jobs.keys()].map((job) => this.endJob(job))))
  }
}

/** Ends the sessions that a journal has open. What has ended by itself by now needs nobody. */
export async function endNoted(journal: LeaseJournal, providers: BrokerParts['providers'], nowMs: number): Promise<Ended> {
  const end = async (noted: NotedSession): Promise<Ended> => {
    const { provider: name, handle, job, untilMs } = noted
    try {
      if (untilMs > nowMs) await inTime((signal) => providerOf(providers, name).endSession(handle, signal))
      await journal.ended(noted)
      return { revoked: 1, unrevoked: [] }
    } catch (error) {
      return { revoked: 0, unrevoked: [{ provider: name, job, message: messageOf(error), untilMs }] }
    }
  }
  return total(await inParallel(journal.open, PARALLEL, end))
}

function providerOf(providers: BrokerParts['providers'], name: string): SecretProvider {
  const provider = providers.get(name)
  if (provider !== undefined) return provider
  throw new SecretsError('LEASE_NOT_REVOKED', `the provider "${name}" is not configured any more`)
}

function inTime<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withDeadline(PROVIDER_TIMEOUT_MS, ask)
}

function total(ended: readonly Ended[]): Ended {
  return { revoked: ended.reduce((sum, { revoked }) => sum + revoked, 0), unrevoked: ended.flatMap(({ unrevoked }) => unrevoked) }
}
