// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProviderSubject, secretProviderContract } from '@sallyport/testkit'
import type { SecretAddress, SecretProvider } from '../contract.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../embedded/embedded-store.ts'
import { withVersion } from '../embedded/store-changes.ts'
import { ONLY_FIELD } from '../embedded/store-content.ts'
import { openProvider } from './registry.ts'

class Embedded implements ProviderSubject {
  readonly missing: SecretAddress = at('nobody/stored/this')
  readonly valueBytesMax: number = 64 * 1024
  readonly credentials: readonly string[] = []
  readonly #directory: string
  readonly #store: EmbeddedStore

  private constructor(directory: string, store: EmbeddedStore) {
    this.#directory = directory
    this.#store = store
  }

  static async start(): Promise<Embedded> {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-embedded-'))
    return new Embedded(directory, await createEmbeddedStore(directory, { passphrase: null, identity: null, recipients: [] }))
  }

  open(): Promise<SecretProvider> {
    const ports = { nowMs: Date.now, readFile: () => Promise.reject(new TypeError('no file is named')) }
    return openProvider({ name: 'store', kind: 'embedded', settings: { directory: this.#directory } }, ports)
  }

  async store(name: string, content: Uint8Array | Readonly<Record<string, string>>): Promise<SecretAddress> {
    const entries: [string, Uint8Array][] =
      content instanceof Uint8Array ? [[ONLY_FIELD, content]] : Object.entries(content).map(([field, text]) => [field, Buffer.from(text)])
    await this.#store.change((before) => withVersion(before, { name, fields: new Map(entries), origin: 'set', nowMs: Date.now() }))
    return at(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#directory, { recursive: true })
  }
}

function at(path: string): SecretAddress {
  return { path, field: null, version: null, parameters: {} }
}

const NO_SERVER = 'it is a file: there is no server to be in trouble'
const STORED = 'its values are stored ones'

secretProviderContract('of the embedded store', {
  start: () => Embedded.start(),
  unable: {
    unreachable: NO_SERVER,
    silent: NO_SERVER,
    'wrong-certificate': NO_SERVER,
    'login-refused': NO_SERVER,
    denied: NO_SERVER,
    'rate-limited': NO_SERVER,
    sealed: NO_SERVER,
    nonsense: NO_SERVER,
    endless: NO_SERVER,
    empty: 'it stores no value without bytes',
    large: 'it stores no larger value',
    leases: STORED,
    renewal: STORED,
    'session-state': STORED,
  },
})
