// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { type ConnectionTarget, formatTarget, type Refusal, type RefusalCode } from '@sallyport/access'
import { type AddressPolicy, type AddressVerdict, checkAddress, createAddressPolicy, isSameAddress } from '../address/check-address.ts'
import type { GateConfig } from '../contract.ts'
import { type Dialer, RefusedError } from '../ports.ts'
import { connectFirst } from './connect-race.ts'
import { DialRate } from './dial-rate.ts'
import type { Resolver } from './resolver.ts'

const STAGGER_MS = 250
/** Of one name: with the stagger, all are tried well within the time for one connection. */
const ADDRESSES_MAX = 8

export interface GateDialerOptions {
  readonly resolver: Pick<Resolver, 'resolve'>
  readonly config: Pick<GateConfig, 'trustedHosts' | 'hosts' | 'privateNetworks' | 'ownAddresses'> & {
    readonly limits: Pick<GateConfig['limits'], 'connectMs'>
  }
  readonly rate?: Pick<DialRate, 'take'>
}

/** An address that may be reached, and whether that needed somebody's word. */
export interface Candidate {
  readonly address: string
  /** The operator or the person named it: it may be the host itself. */
  readonly isOpened: boolean
}

/** The only way from the gate to the world: what it dials, it checked, and what it reached is what it dialled. */
export class GateDialer implements Dialer {
  readonly #resolver: Pick<Resolver, 'resolve'>
  readonly #policy: AddressPolicy
  readonly #trusted: ReadonlySet<string>
  readonly #connectMs: number
  readonly #rate: Pick<DialRate, 'take'>

  /** @throws TypeError for addresses or networks that are none. */
  constructor({ resolver, config, rate = new DialRate() }: GateDialerOptions) {
    this.#rate = rate
    this.#resolver = resolver
    this.#policy = createAddressPolicy(config)
    // the trust is in the addresses that the person gave: without them it would be in whatever the name server says
    const fixed = new Set(Object.keys(config.hosts).map((name) => name.toLowerCase()))
    this.#trusted = new Set(config.trustedHosts.map((name) => name.toLowerCase()).filter((name) => fixed.has(name)))
    this.#connectMs = config.limits.connectMs
  }

  async dial(target: ConnectionTarget, signal: AbortSignal): Promise<Socket> {
    const candidates = await this.candidates(target, signal)
    const opened = new Set(candidates.filter(({ isOpened }) => isOpened).map(({ address }) => address))
    if (!(await this.#mayDial(signal))) throw ended(target, signal)
    let wrong: string | null = null
    const result = await connectFirst(
      candidates.map(({ address }) => address),
      {
        port: target.port,
        staggerMs: STAGGER_MS,
        timeoutMs: this.#connectMs,
        signal,
        verify: (socket, address) => {
          wrong = wrongPeer(socket, address, opened.has(address))
          return wrong
        },
      },
    )
    if (result.kind === 'connected') return result.socket
    if (result.kind === 'aborted') throw ended(target, signal)
    if (wrong !== null) throw refused('address', target, `${formatTarget(target)} was not reached: ${wrong}`)
    throw refused('unreachable', target, `${formatTarget(target)} cannot be reached: ${result.why}`)
  }

  /** Whether it still shall be dialled when the rate allows it. */
  async #mayDial(signal: AbortSignal): Promise<boolean> {
    const waitMs = this.#rate.take()
    if (waitMs === 0) return !signal.aborted
    return (await unlessAborted(new Promise<never>(() => undefined), signal, waitMs)) === 'late'
  }

  /**
   * The addresses that may be reached for a target. Never empty. Who dials one itself asks `wrongPeer` when it is connected.
   * @throws RefusedError `unresolved`, `address`, `step-ended`.
   */
  async candidates(target: ConnectionTarget, signal: AbortSignal): Promise<readonly Candidate[]> {
    const all = target.name === null ? [target.address ?? ''] : await this.#resolve(target, target.name, signal)
    const addresses = all.slice(0, ADDRESSES_MAX)
    if (target.name !== null && this.#trusted.has(target.name)) return addresses.map((address) => ({ address, isOpened: true }))
    const verdicts = addresses.map((address) => ({ address, verdict: checkAddress(address, this.#policy) }))
    const candidates = verdicts.flatMap(({ address, verdict }) =>
      verdict.allowed ? [{ address, isOpened: verdict.openedBy !== null }] : [],
    )
    const first = verdicts[0]
    if (candidates.length === 0 && first !== undefined) throw notAllowed(target, first.address, first.verdict)
    return candidates
  }

  async #resolve(target: ConnectionTarget, name: string, signal: AbortSignal): Promise<readonly string[]> {
    const over = new AbortController()
    const resolution = await unlessAborted(this.#resolver.resolve(name, over.signal), signal, this.#connectMs)
    over.abort('over')
    if (resolution === 'aborted') throw ended(target, signal)
    if (resolution === 'late') throw refused('unresolved', target, `${name} has no known address: the name servers did not answer in time`)
    if (resolution.kind === 'none') throw refused('unresolved', target, `${name} has no known address: ${resolution.why}`)
    return resolution.addresses
  }
}

/** The lookup goes on for others who wait for it, and ends by itself. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, timeoutMs: number): Promise<T | 'aborted' | 'late'> {
  let timer: NodeJS.Timeout | undefined
  let abort: () => void = () => undefined
  const cut = new Promise<'aborted' | 'late'>((resolve) => {
    abort = () => resolve('aborted')
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  try {
    return await Promise.race([promise, cut])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/** Who answered is who was dialled; and not this host at an address that it got after the gate was told of its addresses. */
export function wrongPeer(
  { remoteAddress, localAddress }: Pick<Socket, 'remoteAddress' | 'localAddress'>,
  dialled: string,
  isOpened: boolean,
): string | null {
  if (remoteAddress === undefined || !isSameAddress(remoteAddress, dialled)) return 'the connection is to another address'
  if (!isOpened && (localAddress === undefined || isSameAddress(remoteAddress, localAddress))) return 'the address is one of this host'
  return null
}

function notAllowed(target: ConnectionTarget, address: string, verdict: AddressVerdict): RefusedError {
  const { why, remedy } = verdict.allowed ? { why: '', remedy: null } : verdict
  const subject = target.name === null ? address : `${target.name} stands for ${address}, which`
  return refused('address', target, `${subject} is ${why}`, remedy)
}

function ended(target: ConnectionTarget, signal: AbortSignal): RefusedError {
  return signal.reason instanceof RefusedError
    ? signal.reason
    : refused('step-ended', target, `the doors shut while ${formatTarget(target)} was being reached`)
}

function refused(code: RefusalCode, target: ConnectionTarget, reason: string, remedy: string | null = null): RefusedError {
  const refusal: Refusal = { code, target: formatTarget(target), reason, rule: null, remedy }
  return new RefusedError(refusal)
}
