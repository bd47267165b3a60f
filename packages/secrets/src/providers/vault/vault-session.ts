// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderLease, ProviderSession, ReadSecret, SecretAddress } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { BrokerToken } from './broker-token.ts'
import { madeOf } from './made-secret.ts'
import { leaseNotRevoked, revokeAccessor, revokeLease } from './revoke.ts'
import { readLease, type VaultAnswer } from './vault-answer.ts'
import { type VaultClient, VaultRefusal } from './vault-client.ts'
import { routeOf, type VaultRoute, versionNotFound } from './vault-route.ts'
import type { VaultSettings } from './vault-settings.ts'

export interface SessionToken {
  readonly token: string
  readonly accessor: string
  /** Everything of the session ends then, whatever happens to us. */
  readonly endMs: number
  /** It is not kept alive any longer. */
  stop(): void
}

export interface SessionParts {
  readonly settings: VaultSettings
  readonly client: VaultClient
  readonly broker: BrokerToken
  readonly nowMs: () => number
}

/** Of leases that are ended at a time. */
const CONCURRENCY = 16
/** Engines say 400 of a role that is not there. */
const ABOUT_ROLE = /unknown role|role\b.*\bnot (?:be )?found|could not find\b.*\brole/i

/** One job's token. What is read with it ends with it; the broker's own token ends it. */
export class VaultSession implements ProviderSession {
  readonly #parts: SessionParts
  readonly #own: SessionToken
  /** Those that live, as far as we know. */
  readonly #leases = new Map<string, ProviderLease>()
  #hasEnded = false
  #ending: Promise<void> | null = null

  constructor(parts: SessionParts, own: SessionToken) {
    this.#parts = parts
    this.#own = own
  }

  async read(address: SecretAddress, signal: AbortSignal): Promise<ReadSecret> {
    signal.throwIfAborted()
    if (this.#hasEnded) throw new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot read ${quote(address.path)}: its session has ended`)
    const { settings, nowMs } = this.#parts
    const route = routeOf(address, { mounts: settings.mounts, remainingMs: this.#own.endMs - nowMs() })
    const answer = await this.#ask(address, route, signal)
    const made = madeOf(answer, address, route, { nowMs: nowMs(), sessionEndMs: this.#own.endMs })
    if (made.lease !== null) this.#keep(made.lease)
    try {
      return made.read()
    } catch (error) {
      // Nobody gets it, so nobody would end it before the session does
      if (made.lease !== null) await this.revoke(made.lease, signal).catch(() => undefined)
      throw error
    }
  }

  async renew(lease: ProviderLease, ttlMs: number, signal: AbortSignal): Promise<ProviderLease> {
    if (!lease.isRenewable) return lease
    const { broker, nowMs, settings } = this.#parts
    const what = `renew a lease of ${quote(settings.name)}`
    const wantedMs = Math.min(ttlMs, this.#own.endMs - nowMs())
    const body = { lease_id: lease.id, increment: Math.max(1, Math.floor(wantedMs / 1000)) }
    const { answer } = await broker.ask({ what, method: 'POST', path: 'sys/leases/renew', body, isRepeatable: true, signal })
    const found = readLease(answer, what)
    if (found?.id !== lease.id) throw new SecretsError('PROVIDER_FAILED', `Cannot ${what}: another one was answered`)
    const expiresAtMs = Math.min(nowMs() + found.ttlMs, this.#own.endMs)
    const renewed = { id: lease.id, expiresAtMs, isRenewable: found.isRenewable }
    this.#keep(renewed)
    return renewed
  }

  async revoke(lease: ProviderLease, signal: AbortSignal): Promise<void> {
    await revokeLease(this.#parts.broker, lease, signal)
    this.#leases.delete(lease.id)
  }

  end(signal: AbortSignal): Promise<void> {
    this.#hasEnded = true
    this.#own.stop()
    this.#ending ??= this.#end(signal).catch((error: unknown) => {
      // Whoever asks again has another try
      this.#ending = null
      throw error
    })
    return this.#ending
  }

  #keep(lease: ProviderLease): void {
    const now = this.#parts.nowMs()
    for (const [id, { expiresAtMs }] of this.#leases) if (expiresAtMs <= now) this.#leases.delete(id)
    this.#leases.set(lease.id, lease)
  }

  /** The server ends what a token made a moment after the token: what we know of is ended first, and waited for. */
  async #end(signal: AbortSignal): Promise<void> {
    const waiting = [...this.#leases.values()]
    const left: ProviderLease[] = []
    const work = async (): Promise<void> => {
      for (let lease = waiting.pop(); lease !== undefined; lease = waiting.pop()) {
        const current = lease
        await this.revoke(current, signal).catch(() => void left.push(current))
      }
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, waiting.length) }, work))
    await revokeAccessor(this.#parts.broker, this.#own.accessor, signal)
    // The server goes on trying, by itself
    if (left.length > 0) throw leaseNotRevoked(left)
  }

  async #ask(
    address: SecretAddress,
    { method, path, body, isStored: isRepeatable }: VaultRoute,
    signal: AbortSignal,
  ): Promise<VaultAnswer> {
    const what = `read ${quote(address.path)} from ${quote(this.#parts.settings.name)}`
    try {
      return await this.#parts.client.ask({ what, method, path, token: this.#own.token, body, isRepeatable, signal })
    } catch (error) {
      throw await this.#explained(error, { address, what, signal })
    }
  }

  async #explained(
    error: unknown,
    { address, what, signal }: { address: SecretAddress; what: string; signal: AbortSignal },
  ): Promise<unknown> {
    if (error instanceof SecretsError && error.details['failure'] === 'size')
      return new SecretsError('SECRET_TOO_LARGE', `Cannot ${what}: its answer is larger than any secret`)
    if (!(error instanceof VaultRefusal)) return error
    if (error.status === 404 && address.version !== null) return versionNotFound(address, 'there is no such version')
    if (error.status === 400 && error.says(ABOUT_ROLE)) return new SecretsError('SECRET_NOT_FOUND', `Cannot ${what}: there is no such role`)
    if (error.status === 403 && !(await this.#isLive(signal)))
      return new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot ${what}: the token of its session has ended`)
    return error
  }

  /** A refusal says the same of a token that has ended and of a policy. The broker may be allowed to look. */
  async #isLive(signal: AbortSignal): Promise<boolean> {
    const what = 'look at the token of a session'
    const body = { accessor: this.#own.accessor }
    try {
      await this.#parts.broker.ask({ what, method: 'POST', path: 'auth/token/lookup-accessor', body, isRepeatable: true, signal })
      return true
    } catch (error) {
      return error instanceof VaultRefusal && !error.says(/invalid accessor|token not found/i)
    }
  }
}
