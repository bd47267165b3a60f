// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { quote } from '@sallyport/core'
import type {
  ProviderDescription,
  ProviderLease,
  ProviderSession,
  ReadSecret,
  SecretAddress,
  SecretProvider,
  SessionRequest,
} from '../contract.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../embedded/embedded-store.ts'
import { findField, findVersion } from '../embedded/store-content.ts'
import { SecretsError } from '../secrets-error.ts'

/**
 * The embedded store as a secrets manager. Its values are stored ones: nothing is made for a job, so that there is nothing to end, and what a job was
 * given stays valid until somebody rotates it.
 */
export class EmbeddedProvider implements SecretProvider {
  readonly name: string
  readonly kind = 'embedded'
  readonly ending = { kind: 'revoked' } as const
  readonly #open: () => Promise<EmbeddedStore>

  /** `open`: asked when a job wants to read: whoever reads elsewhere needs no store. */
  constructor(name: string, open: () => Promise<EmbeddedStore>) {
    this.name = name
    this.#open = open
  }

  /** `path` of an address is the secret's name, `version` its number. Parameters mean nothing here. */
  async openSession({ note }: SessionRequest, signal: AbortSignal): Promise<ProviderSession> {
    signal.throwIfAborted()
    const store = await this.#open()
    await note(`embedded:${randomUUID()}`)
    let isEnded = false
    return {
      read: async (address, reading) => {
        if (isEnded) throw new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot read from ${quote(this.name)}: the session has ended`)
        return this.#read(store, address, reading)
      },
      renew: async (lease) => lease,
      revoke: async (_lease: ProviderLease) => undefined,
      end: async () => {
        isEnded = true
      },
    }
  }

  async endSession(): Promise<void> {
    // Nothing outlives a session, whose handle says only that there was one.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is kept open.
  }

  #read(store: EmbeddedStore, { path, field, version }: SecretAddress, signal: AbortSignal): Promise<ReadSecret> {
    signal.throwIfAborted()
    return store.lookAt(path, (secret) => {
      const found = findVersion(secret, version)
      // All of them, so that whoever is told one of them has the others masked, too; but only where it is clear which one is meant.
      findField(path, found.fields, field)
      return {
        fields: new Map([...found.fields].map(([key, value]) => [key, Uint8Array.from(value)])),
        version: String(found.number),
        lease: null,
      }
    })
  }
}

/** `directory`: of the store. `identity`: its identity file, where that is not beside it. @throws SecretsError PROVIDER_CONFIG_INVALID */
export function embeddedProvider({ name, settings }: ProviderDescription): EmbeddedProvider {
  const { directory, identity, ...rest } = settings
  const [unknown] = Object.keys(rest)
  if (typeof directory !== 'string' || unknown !== undefined || (identity !== undefined && typeof identity !== 'string'))
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use the provider ${quote(name)}: it has a directory, and perhaps an identity`)
  return new EmbeddedProvider(name, () =>
    openEmbeddedStore(directory, identity === undefined ? { kind: 'own' } : { kind: 'file', path: identity }),
  )
}
