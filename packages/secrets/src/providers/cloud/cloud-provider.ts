// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { quote } from '@sallyport/core'
import type {
  JobIdentity,
  ProviderKind,
  ProviderLease,
  ProviderSession,
  ReadSecret,
  SecretAddress,
  SecretProvider,
  SessionRequest,
} from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { type Call, givenUp, startCall } from './call.ts'
import { assertParameters } from './stored-value.ts'

/** What one job may show to a cloud, and to nobody else. */
export interface Standing {
  /** @throws SecretsError; the signal's reason when it is aborted */
  read(address: SecretAddress, call: Call): Promise<ReadSecret>
  /** Nothing of it is held any longer. */
  forget(): void
}

/** What the three clouds have in common: they store values, and their tokens end by time alone. */
export abstract class CloudProvider implements SecretProvider {
  readonly name: string
  abstract readonly kind: ProviderKind
  readonly ending: SecretProvider['ending']

  constructor(name: string, livesOnMs: number) {
    this.name = name
    this.ending = { kind: 'expires', ttlMs: livesOnMs }
  }

  /** Asks nothing yet. @throws SecretsError */
  protected abstract stand(request: SessionRequest): Standing

  async openSession(request: SessionRequest, signal: AbortSignal): Promise<ProviderSession> {
    signal.throwIfAborted()
    const standing = this.stand(request)
    // Nothing can be ended by it; it stands for what lives until its own end
    await request.note(randomUUID())
    return new CloudSession(this.name, standing)
  }

  async endSession(): Promise<void> {
    // There is no such thing: what was made ends by time
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held for the provider itself
  }
}

class CloudSession implements ProviderSession {
  readonly #provider: string
  #standing: Standing | null

  constructor(provider: string, standing: Standing) {
    this.#provider = provider
    this.#standing = standing
  }

  async read(address: SecretAddress, signal: AbortSignal): Promise<ReadSecret> {
    const what = `read ${quote(address.path)} from ${quote(this.#provider)}`
    if (this.#standing === null) throw new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot ${what}: its session has ended`)
    try {
      signal.throwIfAborted()
      assertParameters(address)
      return await this.#standing.read(address, startCall(signal))
    } catch (error) {
      if (signal.aborted) throw givenUp(signal, what)
      throw error
    }
  }

  /** Stored values have none. */
  async renew(lease: ProviderLease): Promise<ProviderLease> {
    return lease
  }

  async revoke(): Promise<void> {
    // None was made
  }

  async end(): Promise<void> {
    this.#standing?.forget()
    this.#standing = null
  }
}

/** @throws SecretsError PROVIDER_CONFIG_INVALID for a job without one */
export function tokenOf({ token }: JobIdentity, provider: string): string {
  if (token !== null) return token
  throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot log a job in to ${quote(provider)}: it has no token of the issuer`, {
    hint: "Set the provider's audience, so that jobs get a token for it",
  })
}
