// SPDX-License-Identifier: Apache-2.0
import type { GateConfig } from '../contract.ts'
import { type AddressType, createQuestion, type ParsedResponse } from '../dns/response.ts'
import { RECORD } from '../dns/wire.ts'
import { askNameServer } from './name-server.ts'
import { type NameServer, parseNameServer } from './name-server-address.ts'

export type Resolution =
  /** As the name servers give them, IPv6 and IPv4 in turn; never empty. Unchecked: the owner of the name chose them. */
  { readonly kind: 'addresses'; readonly addresses: readonly string[] } | { readonly kind: 'none'; readonly why: string }

export interface ResolverOptions {
  readonly udpMs?: number
  readonly tcpMs?: number
  /** Milliseconds, of a clock that never goes back. */
  readonly now?: () => number
}

const ROUNDS = 2
const UDP_MS = 2000
const TCP_MS = 4000
/** How long the addresses of one family wait for the other's (RFC 8305 section 3 waits less, but here nothing later adds them). */
const OTHER_FAMILY_MS = 300
/** At a time. Each has two sockets: a job that asks for thousands of names below a suffix rule must not use up the descriptors. */
const LOOKUPS_MAX = 64
/** One answer that stays is no way around a change; one that is gone at once makes every connection ask. */
const TTL_SECONDS_MIN = 5
const TTL_SECONDS_MAX = 300
const CACHED_MAX = 1024

interface Pending {
  readonly resolution: Promise<Resolution>
  readonly waiters: { count: number }
}

const NOBODY_WAITS: Resolution = { kind: 'none', why: 'nobody waited for it' }

/**
 * Real addresses of allowed names. Asks the configured servers itself, by UDP, and TCP where needed. Not with `node:dns`: its library (c-ares) reads
 * /etc/resolv.conf and /etc/hosts, which the gate does not have, sends many questions from one port, and does not check letter case.
 */
export class Resolver {
  readonly #servers: readonly NameServer[]
  readonly #hosts: ReadonlyMap<string, readonly string[]>
  readonly #options: Required<ResolverOptions>
  readonly #cache = new Map<string, { readonly resolution: Resolution; readonly untilMs: number }>()
  readonly #pending = new Map<string, Pending>()
  readonly #waiting: (() => void)[] = []
  #lookups = 0

  /** @throws TypeError for a name server that is none. */
  constructor(config: Pick<GateConfig, 'nameServers' | 'hosts'>, options: ResolverOptions = {}) {
    this.#servers = config.nameServers.map(parseNameServer)
    this.#hosts = new Map(Object.entries(config.hosts).map(([name, addresses]) => [name.toLowerCase(), addresses]))
    this.#options = { udpMs: UDP_MS, tcpMs: TCP_MS, now: () => performance.now(), ...options }
  }

  /**
   * `name`: lower case, no final dot. `signal`: aborted when the caller waits no more; a lookup that has not begun by the time that nobody waits never begins.
   * Never throws; ends by itself after a bounded time.
   */
  async resolve(name: string, signal?: AbortSignal): Promise<Resolution> {
    const fixed = this.#hosts.get(name)
    if (fixed !== undefined) return addressesOr(fixed, 'it has no address in the configuration')
    const cached = this.#cache.get(name)
    if (cached !== undefined && cached.untilMs > this.#options.now()) return cached.resolution
    const pending = this.#pending.get(name)
    const waiters = pending?.waiters ?? { count: 0 }
    waiters.count += 1
    signal?.addEventListener('abort', () => {
      waiters.count -= 1
    })
    const resolution = await (pending?.resolution ?? this.#begin(name, waiters))
    // dropped in the very moment in which this caller came
    return resolution === NOBODY_WAITS && signal?.aborted !== true ? await this.resolve(name, signal) : resolution
  }

  #begin(name: string, waiters: Pending['waiters']): Promise<Resolution> {
    const lookUp = (): Promise<Resolution> | Resolution => (waiters.count === 0 ? NOBODY_WAITS : this.#lookUp(name))
    const resolution = this.#inTurn(lookUp).finally(() => this.#pending.delete(name))
    this.#pending.set(name, { resolution, waiters })
    return resolution
  }

  async #inTurn(lookUp: () => Promise<Resolution> | Resolution): Promise<Resolution> {
    // handed over by whoever ends: #lookups stays as it is then
    if (this.#lookups >= LOOKUPS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#lookups += 1
    try {
      return await lookUp()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#lookups -= 1
      else next()
    }
  }

  async #lookUp(name: string): Promise<Resolution> {
    const done = new AbortController()
    try {
      const [v6, v4] = await bothFamilies(this.#ask(name, RECORD.aaaa, done.signal), this.#ask(name, RECORD.a, done.signal))
      return this.#combine(name, v6, v4)
    } finally {
      // the family that was not waited for keeps no socket: else a zone that never answers about it would use up the descriptors
      done.abort('done')
    }
  }

  /** The first server's final answer; each is asked twice before it is given up. */
  async #ask(name: string, type: AddressType, signal: AbortSignal): Promise<ParsedResponse> {
    let last: ParsedResponse = { kind: 'failed', why: 'no name server is configured' }
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const server of this.#servers) {
        const question = createQuestion(name, type)
        if (question === null) return { kind: 'failed', why: 'no host has such a name' }
        const response = await askNameServer(server, question, { ...this.#options, signal })
        if (response.kind === 'answer' || signal.aborted) return response
        last = response
      }
    }
    return last
  }

  #combine(name: string, v6: ParsedResponse | null, v4: ParsedResponse | null): Resolution {
    const addresses = inTurn(v6?.kind === 'answer' ? v6.addresses : [], v4?.kind === 'answer' ? v4.addresses : [])
    const failed = [v4, v6].find((response) => response?.kind === 'failed')
    if (addresses.length === 0 && failed?.kind === 'failed') return { kind: 'none', why: `the name servers failed: ${failed.why}` }
    const ttls = [v6, v4].flatMap((response) => (response?.kind === 'answer' && response.addresses.length > 0 ? [response.ttlSeconds] : []))
    const resolution = addressesOr(addresses, 'it has no address')
    this.#keep(name, resolution, Math.min(TTL_SECONDS_MAX, Math.max(TTL_SECONDS_MIN, ttls.length > 0 ? Math.min(...ttls) : 0)))
    return resolution
  }

  #keep(name: string, resolution: Resolution, seconds: number): void {
    this.#cache.delete(name)
    const [oldest] = this.#cache.size >= CACHED_MAX ? this.#cache.keys() : []
    if (oldest !== undefined) this.#cache.delete(oldest)
    this.#cache.set(name, { resolution, untilMs: this.#options.now() + seconds * 1000 })
  }
}

function addressesOr(addresses: readonly string[], why: string): Resolution {
  return addresses.length > 0 ? { kind: 'addresses', addresses } : { kind: 'none', why }
}

/** Both answers, or the one that has addresses and null for the other that is late: some servers never answer about IPv6. */
async function bothFamilies(
  v6: Promise<ParsedResponse>,
  v4: Promise<ParsedResponse>,
): Promise<readonly [ParsedResponse | null, ParsedResponse | null]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    const startWaiting = (response: ParsedResponse): void => {
      if (response.kind === 'answer' && response.addresses.length > 0) timer ??= setTimeout(() => resolve(null), OTHER_FAMILY_MS)
    }
    // neither promise rejects: askNameServer never throws
    void v6.then(startWaiting)
    void v4.then(startWaiting)
  })
  try {
    return await Promise.all([Promise.race([v6, late]), Promise.race([v4, late])])
  } finally {
    clearTimeout(timer)
  }
}

/** RFC 8305 section 4: a family that does not work costs one attempt, not all. */
function inTurn(v6: readonly string[], v4: readonly string[]): string[] {
  return Array.from({ length: Math.max(v6.length, v4.length) }, (_, index) => [v6[index], v4[index]])
    .flat()
    .filter((address) => address !== undefined)
}
