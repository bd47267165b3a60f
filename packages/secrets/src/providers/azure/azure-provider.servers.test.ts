// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { secretProviderContract } from '@sallyport/testkit'
import type { ProviderSession, SecretAddress, SecretProvider, SettingsTree } from '../../contract.ts'
import { CloudSubject, openFor, unable } from '../cloud/_cloud-subject.ts'
import { DoubleServer, TestCertificate } from '../cloud/_double-server.ts'
import { openProvider } from '../registry.ts'
import { AzureDouble, CLIENT_ID, TENANT } from './_azure-double.ts'

secretProviderContract('for Azure Key Vault (double)', {
  start: () => CloudSubject.start(new AzureDouble()),
  unable: unable('Key Vault'),
})

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const IDENTITY = { run: 'run-1', job: 'build', repository: null, ref: null, token: null }

async function sessionOf(provider: SecretProvider): Promise<ProviderSession> {
  return provider.openSession({ identity: IDENTITY, ttlMs: 3600_000, note: async () => undefined }, signal())
}

const textOf = async (session: ProviderSession, address: SecretAddress): Promise<string> =>
  String(Buffer.from([...(await session.read(address, signal())).fields.values()][0] ?? []))

describe('Azure Key Vault', () => {
  let double = new AzureDouble()
  let server: DoubleServer | undefined
  let certificate: TestCertificate | undefined
  const origin = (): string => `https://127.0.0.1:${server?.port}`
  const settings = (): SettingsTree => ({ ...double.settings(origin()), ca: certificate?.path ?? '' })
  const open = (changes: SettingsTree = {}): Promise<SecretProvider> => openFor(double.token, 'azure', { ...settings(), ...changes })

  before(async () => {
    certificate = new TestCertificate()
    server = await DoubleServer.start((request) => double.respond(request), certificate)
  })
  beforeEach(() => {
    double = new AzureDouble()
  })
  after(async () => {
    await server?.[Symbol.asyncDispose]()
    certificate?.[Symbol.dispose]()
  })

  it("is read from the double by Azure's own SDK, with the same token of the job", async () => {
    const tlsOptions = { ca: String(certificate?.cert) }
    const credential = new ClientAssertionCredential(TENANT, CLIENT_ID, async () => double.token, {
      authorityHost: origin(),
      disableInstanceDiscovery: true,
      tlsOptions,
    })
    const client = new SecretClient(origin(), credential, { disableChallengeResourceVerification: true, tlsOptions })
    double.put('by-sdk', Buffer.from('old'))
    double.put('by-sdk', Buffer.from('new'))
    const { value, properties } = await client.getSecret('by-sdk')
    assert.equal(value, 'new')
    const read = await (await sessionOf(await open())).read({ path: 'by-sdk', field: null, version: null, parameters: {} }, signal())
    assert.equal(read.version, properties.version)
    await assert.rejects(client.getSecret('nothing'), { statusCode: 404, code: 'SecretNotFound' })
    double.put('off', Buffer.from('x'), { enabled: false })
    await assert.rejects(client.getSecret('off'), { statusCode: 403 })
    await assert.rejects(client.getSecret(double.forbidden), { statusCode: 403 })
  })

  it('is logged in to once for a session, and for each job with its own token', async () => {
    const address = double.put('shared', Buffer.from('value'))
    const tokens = Array.from({ length: 5 }, (_, index) => `token-of-job-${index}`)
    for (const token of tokens) double.tokens.add(token)
    const ports = { nowMs: Date.now, readFile: async () => certificate?.cert ?? new Uint8Array() }
    const provider = await openProvider({ name: 'azure', kind: 'azure', settings: settings() }, ports)
    const read = async (token: string): Promise<void> => {
      const request = { identity: { ...IDENTITY, token }, ttlMs: 1000, note: async () => undefined }
      const session = await provider.openSession(request, signal())
      await Promise.all([session.read(address, signal()), session.read(address, signal())])
    }
    await Promise.all(tokens.map(read))
    assert.deepEqual([...double.issued.values()].toSorted(), tokens)
    assert.deepEqual(
      double.reads.toSorted(),
      tokens.flatMap((token) => [token, token]),
    )
    await assert.rejects(sessionOf(provider), { code: 'PROVIDER_CONFIG_INVALID' })
  })

  it('is not read before its time, after it, or when it is disabled', async () => {
    const nowS = Math.floor(Date.now() / 1000)
    const session = await sessionOf(await open())
    assert.equal(await textOf(session, double.put('now', Buffer.from('value'), { nbf: nowS - 60, exp: nowS + 60 })), 'value')
    for (const attributes of [{ nbf: nowS + 60 }, { exp: nowS - 60 }, { enabled: false }])
      await assert.rejects(session.read(double.put('not-now', Buffer.from('value'), attributes), signal()), { code: 'PROVIDER_DENIED' })
    for (const attributes of [{ exp: 'never' }, { enabled: 'yes' }])
      await assert.rejects(session.read(double.put('odd', Buffer.from('value'), attributes), signal()), (error: { code?: string }) =>
        ['PROVIDER_FAILED', 'PROVIDER_DENIED'].includes(error.code ?? ''),
      )
  })

  it('is logged in to once more when its token ends before its time', async () => {
    const address = double.put('ends', Buffer.from('value'))
    const session = await sessionOf(await open())
    await session.read(address, signal())
    double.issued.clear()
    assert.equal(await textOf(session, address), 'value')
  })

  it('is not read with a token that lives longer than the operator was told', async () => {
    const address = double.put('long', Buffer.from('value'))
    double.expiresInS = 86_400
    await assert.rejects((await sessionOf(await open())).read(address, signal()), { code: 'PROVIDER_CONFIG_INVALID' })
    const provider = await open({ 'lives-on': '24h' })
    assert.deepEqual(provider.ending, { kind: 'expires', ttlMs: 86_400_000 })
    assert.equal(await textOf(await sessionOf(provider), address), 'value')
  })

  it('is read with the client secret of a file', async () => {
    const address = double.put('by-secret', Buffer.from('value'))
    const auth = { method: 'client-secret', tenant: TENANT, 'client-id': CLIENT_ID, 'client-secret': 'secret' }
    const readFile = async (path: string): Promise<Uint8Array> =>
      path === 'secret' ? Buffer.from(`${double.secret}\n`) : (certificate?.cert ?? new Uint8Array())
    const provider = await openProvider({ name: 'azure', kind: 'azure', settings: { ...settings(), auth } }, { nowMs: Date.now, readFile })
    assert.equal(await textOf(await sessionOf(provider), address), 'value')
    assert.deepEqual(double.reads, ['client secret'])
  })

  it('is not believed when it answers with another secret, another vault, or sends us elsewhere', async () => {
    const address = double.put('mine', Buffer.from('value'))
    const session = await sessionOf(await open())
    const version = 'a'.repeat(32)
    for (const id of [`${origin()}/secrets/theirs/${version}`, `https://other.vault.azure.net/secrets/mine/${version}`, 'mine', 7]) {
      double.next = { status: 200, body: { value: 'planted', id, attributes: { enabled: true } } }
      await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_FAILED' })
    }
    double.next = { status: 302, headers: { location: 'https://other.vault.azure.net/' }, body: {} }
    await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_FAILED' })
  })

  it('names what the login was refused for by its number, and by nothing that was said', async () => {
    const provider = await openFor('a-token-of-nobody', 'azure', settings())
    const address = double.put('refused', Buffer.from('value'))
    await assert.rejects((await sessionOf(provider)).read(address, signal()), (error: Error & { hint?: string }) => {
      assert.match(error.message, /AADSTS700213/)
      assert.match(error.hint ?? '', /subject/)
      return !error.message.includes('a-token-of-nobody')
    })
  })
})
