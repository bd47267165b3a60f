// SPDX-License-Identifier: Apache-2.0
import type { ProviderLease, ProviderSession, ReadSecret, SecretProvider, SessionRequest } from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'

/** A secrets manager in memory, which tells in which order it was asked for what. */
export class FakeProvider implements SecretProvider {
  readonly name = 'fake'
  readonly kind = 'vault'
  readonly ending: SecretProvider['ending'] = { kind: 'revoked' }
  readonly said: string[] = []
  /** What jobs showed when their sessions were opened. */
  readonly shown: (string | null)[] = []
  /** What lives: leases, by session. */
  readonly living = new Map<string, Set<string>>()
  ttlMs = 60_000
  isDown = false
  #made = 0

  async openSession({ identity, note }: SessionRequest): Promise<ProviderSession> {
    this.#fail()
    const handle = `accessor-${this.living.size + 1}`
    this.living.set(handle, new Set())
    this.shown.push(identity.token)
    await note(handle)
    this.said.push(`noted ${handle} for ${identity.job}`)
    const leases = this.living.get(handle) as Set<string>
    return {
      read: async ({ path }): Promise<ReadSecret> => {
        this.#fail()
        this.#made += 1
        const id = `lease-${this.#made}`
        if (path !== 'static') leases.add(id)
        this.said.push(`read ${path}`)
        const lease = path === 'static' ? null : { id, expiresAtMs: Date.now() + this.ttlMs, isRenewable: true }
        return { fields: new Map([['value', Buffer.from(`value of ${path}`)]]), version: '1', lease }
      },
      renew: async (lease: ProviderLease, ttlMs) => {
        this.#fail()
        this.said.push(`renewed ${lease.id}`)
        return { ...lease, expiresAtMs: Date.now() + ttlMs }
      },
      revoke: async ({ id }) => {
        this.#fail()
        leases.delete(id)
        this.said.push(`revoked ${id}`)
      },
      end: () => this.endSession(handle),
    }
  }

  async endSession(handle: string): Promise<void> {
    this.#fail()
    this.living.delete(handle)
    this.said.push(`ended ${handle}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.said.push('disposed')
  }

  #fail(): void {
    if (this.isDown) throw new SecretsError('PROVIDER_UNREACHABLE', 'it is down')
  }
}
