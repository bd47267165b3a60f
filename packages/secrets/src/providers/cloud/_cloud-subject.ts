// SPDX-License-Identifier: Apache-2.0
// A cloud's double as what the contract suite of providers runs over.
import { readFile } from 'node:fs/promises'
import type { Ability, ProviderSubject, Trouble } from '@sallyport/testkit'
import type { ProviderKind, ProviderPorts, SecretAddress, SecretProvider, SettingsTree } from '../../contract.ts'
import { openProvider } from '../registry.ts'
import { DoubleServer, TestCertificate } from './_double-server.ts'

/** What a cloud has to be able to say, and to hold. */
export interface CloudDouble {
  readonly kind: ProviderKind
  /** The job's token that it takes. */
  readonly token: string
  readonly credentials: readonly string[]
  readonly respond: Parameters<typeof DoubleServer.start>[0]
  /** Of a provider whose services are all at this origin. */
  settings(origin: string): SettingsTree
  put(name: string, value: Uint8Array): SecretAddress
  /** What may not be read, and what is asked for too often. */
  readonly forbidden: string
  readonly busy: string
}

const ports: ProviderPorts = { nowMs: Date.now, readFile: async (path) => readFile(path) }

export const at = (path: string): SecretAddress => ({ path, field: null, version: null, parameters: {} })

/** The supervisor gives each job its own; the suite's have none. */
export async function openFor(token: string, kind: ProviderKind, settings: SettingsTree): Promise<SecretProvider> {
  const provider = await openProvider({ name: kind, kind, settings }, ports)
  return {
    name: provider.name,
    kind: provider.kind,
    ending: provider.ending,
    openSession: (request, signal) => provider.openSession({ ...request, identity: { ...request.identity, token } }, signal),
    endSession: (handle, signal) => provider.endSession(handle, signal),
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  }
}

export const unable = (cloud: string): Partial<Readonly<Record<Ability, string>>> => ({
  sealed: `${cloud} has no such state`,
  leases: `${cloud} only stores values`,
  renewal: `${cloud} only stores values`,
  'session-state': `${cloud} has no sessions: what was made ends by time`,
})

export class CloudSubject implements ProviderSubject {
  readonly missing: SecretAddress
  /** A double takes more than its cloud, so that what is too large can be tried. */
  readonly valueBytesMax: number = 2 ** 20
  readonly credentials: readonly string[]
  readonly #double: CloudDouble
  readonly #server: DoubleServer
  readonly #certificate: TestCertificate
  readonly #open: (Disposable | AsyncDisposable)[] = []

  private constructor(double: CloudDouble, server: DoubleServer, certificate: TestCertificate) {
    this.#double = double
    this.#server = server
    this.#certificate = certificate
    this.credentials = double.credentials
    this.missing = { ...double.put('ci-here', new TextEncoder().encode('x')), path: 'ci-nothing-is-here' }
  }

  static async start(double: CloudDouble): Promise<CloudSubject> {
    const certificate = new TestCertificate()
    return new CloudSubject(double, await DoubleServer.start(double.respond, certificate), certificate)
  }

  open(): Promise<SecretProvider> {
    return this.#provider(this.#double.token, this.#certificate)
  }

  async store(name: string, content: Uint8Array | Readonly<Record<string, string>>): Promise<SecretAddress> {
    return this.#double.put(`ci-${name}`, content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content)))
  }

  async troubled(trouble: Trouble): Promise<{ provider: SecretProvider; address: SecretAddress }> {
    const { kind, token, forbidden, busy } = this.#double
    const address = await this.store('troubled', new TextEncoder().encode('value'))
    if (trouble === 'denied') return { provider: await this.open(), address: at(forbidden) }
    if (trouble === 'rate-limited') return { provider: await this.open(), address: at(busy) }
    if (trouble === 'login-refused') return { provider: await this.#provider('a-token-of-nobody', this.#certificate), address }
    if (trouble === 'wrong-certificate') {
      const other = new TestCertificate()
      this.#open.push(other)
      return { provider: await this.#provider(token, other), address }
    }
    return { provider: await openFor(token, kind, this.#double.settings(await this.#impostor(trouble))), address }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const open of this.#open) await (Symbol.asyncDispose in open ? open[Symbol.asyncDispose]() : open[Symbol.dispose]())
    await this.#server[Symbol.asyncDispose]()
    this.#certificate[Symbol.dispose]()
  }

  #provider(token: string, { path: ca }: TestCertificate): Promise<SecretProvider> {
    return openFor(token, this.#double.kind, { ...this.#double.settings(`https://127.0.0.1:${this.#server.port}`), ca })
  }

  async #impostor(trouble: Trouble): Promise<string> {
    if (trouble === 'unreachable') return 'http://127.0.0.1:1'
    const server = await DoubleServer.impostor(trouble as 'silent' | 'nonsense' | 'endless')
    this.#open.push(server)
    return `http://127.0.0.1:${server.port}`
  }
}
