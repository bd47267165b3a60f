// SPDX-License-Identifier: Apache-2.0
// The contract suite of secret providers, against a real OpenBao that makes accounts of a real PostgreSQL.
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadSecret, SecretAddress, SecretProvider } from '@sallyport/secrets'
import { type ProviderSubject, secretProviderContract, type Trouble } from '@sallyport/testkit'
import { makeServerCertificate } from './_authority.ts'
import { addDatabaseEngine } from './_database-engine.ts'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'
import { vaultProvider } from './_vault-provider.ts'

const BROKER_POLICY = {
  'auth/token/create/sallyport-job': ['update'],
  'auth/token/lookup-accessor': ['update'],
  'auth/token/revoke-accessor': ['update'],
  'sys/leases/renew': ['update'],
  'sys/leases/revoke': ['update'],
}
const MOUNTS = { kv: { engine: 'kv' }, database: { engine: 'database' } }

const at = (path: string): SecretAddress => ({ path, field: null, version: null, parameters: {} })

class OpenBaoSubject implements ProviderSubject {
  readonly missing = at('kv/ci/nothing-is-here')
  readonly valueBytesMax = 1_000_000
  readonly credentials: readonly string[]
  readonly leased = { address: { ...at('database/creds/ci'), field: 'password' }, isLive: (read: ReadSecret) => this.#isLive(read) }
  readonly #bao: OpenBao
  readonly #postgres: Postgres
  readonly #directory: string
  readonly #auth: { readonly 'role-id': string; readonly 'secret-id': string }
  readonly #open: AsyncDisposable[] = []

  private constructor(parts: { bao: OpenBao; postgres: Postgres; directory: string; roleId: string; secretId: string }) {
    this.#bao = parts.bao
    this.#postgres = parts.postgres
    this.#directory = parts.directory
    this.#auth = { 'role-id': parts.roleId, 'secret-id': this.#bao.file('secret-id', parts.secretId) }
    this.credentials = [parts.secretId, this.#bao.rootToken]
  }

  static async start(): Promise<OpenBaoSubject> {
    const bao = await OpenBao.start({ mode: 'kept' })
    const postgres = await Postgres.start()
    await configure(bao, postgres)
    const { role_id: roleId } = (await bao.admin('GET', 'auth/approle/role/sallyport/role-id')).data
    const { secret_id: secretId } = (await bao.admin('POST', 'auth/approle/role/sallyport/secret-id')).data
    return new OpenBaoSubject({ bao, postgres, directory: await mkdtemp(join(tmpdir(), 'sallyport-subject-')), roleId, secretId })
  }

  async open(): Promise<SecretProvider> {
    return this.#provider({})
  }

  async store(name: string, content: Uint8Array | Readonly<Record<string, string>>): Promise<SecretAddress> {
    const isBytes = content instanceof Uint8Array
    const text = isBytes ? Buffer.from(content).toString('utf8') : ''
    const isText = isBytes && Buffer.from(text).equals(content)
    const data = isBytes ? { value: isText ? text : Buffer.from(content).toString('base64') } : content
    await this.#bao.admin('POST', `kv/data/ci/${name}`, { data })
    return { ...at(`kv/ci/${name}`), parameters: isBytes && !isText ? { encoding: 'base64' } : {} }
  }

  async isSessionLive(handle: string): Promise<boolean> {
    return (await this.#bao.raw('POST', 'auth/token/lookup-accessor', { accessor: handle })).status === 200
  }

  async troubled(trouble: Trouble): Promise<{ provider: SecretProvider; address: SecretAddress }> {
    const address = await this.store('troubled', new TextEncoder().encode('value'))
    if (trouble === 'denied') return { provider: await this.#provider({}), address: at('kv/elsewhere/secret') }
    if (trouble === 'login-refused')
      return { provider: await this.#provider({ 'secret-id': this.#bao.file('wrong', 'no-secret-id') }), address }
    if (trouble === 'rate-limited') return { provider: await this.#rateLimited(), address }
    if (trouble === 'sealed') return { provider: await this.#sealed(), address }
    if (trouble === 'wrong-certificate') {
      const { authority } = makeServerCertificate(this.#directory, 'other')
      return { provider: await this.#provider({}, { address: this.#bao.address, authority }), address }
    }
    return { provider: await this.#provider({}, { address: await this.#impostor(trouble), authority: null }), address }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const open of this.#open) await open[Symbol.asyncDispose]()
    await this.#bao[Symbol.asyncDispose]()
    await this.#postgres[Symbol.asyncDispose]()
    rmSync(this.#directory, { recursive: true })
  }

  #provider(auth: { 'secret-id'?: string }, server: Pick<OpenBao, 'address' | 'authority'> = this.#bao): Promise<SecretProvider> {
    return vaultProvider(server, { auth: { method: 'approle', ...this.#auth, ...auth }, 'token-role': 'sallyport-job', mounts: MOUNTS })
  }

  async #isLive({ fields }: ReadSecret): Promise<boolean> {
    const text = (name: string): string => Buffer.from(fields.get(name) ?? []).toString('utf8')
    return this.#postgres.letsIn({ user: text('username'), password: text('password') })
  }

  /** Its quota is used up, for as long as the provider is there. */
  async #rateLimited(): Promise<SecretProvider> {
    await this.#bao.admin('POST', 'sys/quotas/rate-limit/none', { rate: 0.0001, interval: '1h', path: 'kv' })
    await this.#bao.raw('GET', 'kv/data/ci/troubled')
    return this.#during(await this.#provider({}), () => this.#bao.admin('DELETE', 'sys/quotas/rate-limit/none'))
  }

  async #sealed(): Promise<SecretProvider> {
    await this.#bao.admin('PUT', 'sys/seal')
    return this.#during(await this.#provider({}), () => this.#bao.unseal())
  }

  #during(provider: SecretProvider, after: () => Promise<unknown>): SecretProvider {
    const dispose = async (): Promise<void> => {
      await after()
      await provider[Symbol.asyncDispose]()
    }
    return {
      name: provider.name,
      kind: provider.kind,
      ending: provider.ending,
      openSession: (request, signal) => provider.openSession(request, signal),
      endSession: (handle, signal) => provider.endSession(handle, signal),
      [Symbol.asyncDispose]: dispose,
    }
  }

  /** The address of something that is no OpenBao. */
  async #impostor(trouble: Trouble): Promise<string> {
    if (trouble === 'unreachable') return 'http://127.0.0.1:1'
    const server =
      trouble === 'silent' ? createServer(() => undefined) : createHttpServer((_request, response) => void answer(response, trouble))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.#open.push({ [Symbol.asyncDispose]: () => closed(server) })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
}

function answer(response: import('node:http').ServerResponse, trouble: Trouble): void {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.write('<!doctype html><title>Welcome</title>')
  if (trouble !== 'endless') return void response.end()
  const more = (): void => {
    while (response.write('x'.repeat(65_536)) && !response.destroyed);
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve)
    if ('closeAllConnections' in server) (server as import('node:http').Server).closeAllConnections()
    else resolve(undefined)
  })
}

/** What an administrator does once. */
async function configure(bao: OpenBao, postgres: Postgres): Promise<void> {
  await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
  await addDatabaseEngine(bao, postgres)
  await bao.policy('job', { 'kv/data/ci/*': ['read'], 'database/creds/ci': ['read'] })
  await bao.policy('sallyport', BROKER_POLICY)
  await bao.admin('POST', 'auth/token/roles/sallyport-job', { allowed_policies: 'job', orphan: false, renewable: false })
  await bao.admin('POST', 'sys/auth/approle', { type: 'approle' })
  await bao.admin('POST', 'auth/approle/role/sallyport', { token_policies: 'sallyport', token_period: '10m' })
}

secretProviderContract('for Vault and OpenBao', { start: () => OpenBaoSubject.start() })
