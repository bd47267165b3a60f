// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { SecretManagerServiceClient } from '@google-cloud/secret-manager'
import { secretProviderContract } from '@sallyport/testkit'
import type { ProviderSession, SecretAddress, SecretProvider, SettingsTree } from '../../contract.ts'
import { CloudSubject, openFor, unable } from '../cloud/_cloud-subject.ts'
import { DoubleServer } from '../cloud/_double-server.ts'
import { openProvider } from '../registry.ts'
import { AUDIENCE, failure, GoogleDouble, SERVICE_ACCOUNT } from './_google-double.ts'

secretProviderContract('for Google Secret Manager (double)', {
  start: () => CloudSubject.start(new GoogleDouble()),
  unable: unable('Secret Manager'),
})

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const IDENTITY = { run: 'run-1', job: 'build', repository: null, ref: null, token: null }

async function sessionOf(provider: SecretProvider): Promise<ProviderSession> {
  return provider.openSession({ identity: IDENTITY, ttlMs: 3600_000, note: async () => undefined }, signal())
}

const textOf = async (session: ProviderSession, address: SecretAddress): Promise<string> =>
  String(Buffer.from([...(await session.read(address, signal())).fields.values()][0] ?? []))

describe('Google Secret Manager', () => {
  let double = new GoogleDouble()
  let server: DoubleServer | undefined
  const origin = (): string => `http://127.0.0.1:${server?.port}`
  const open = (changes: SettingsTree = {}): Promise<SecretProvider> =>
    openFor(double.token, 'google', { ...double.settings(origin()), ...changes })
  const asServiceAccount = { auth: { method: 'job-token', audience: AUDIENCE, 'service-account': SERVICE_ACCOUNT } }

  before(async () => {
    server = await DoubleServer.start((request) => double.respond(request), null)
  })
  beforeEach(() => {
    double = new GoogleDouble()
  })
  after(() => server?.[Symbol.asyncDispose]())

  for (const isImpersonated of [false, true]) {
    it(`is read from the double by Google's own client${isImpersonated ? ' as a service account' : ''}, with the same token of the job`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'sallyport-google-'))
      const file = join(directory, 'token')
      await writeFile(file, double.token)
      const impersonation = {
        service_account_impersonation_url: `${origin()}/v1/projects/-/serviceAccounts/${SERVICE_ACCOUNT}:generateAccessToken`,
      }
      const credentials = {
        type: 'external_account',
        audience: AUDIENCE,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `${origin()}/v1/token`,
        credential_source: { file },
        ...(isImpersonated && impersonation),
      }
      const client = new SecretManagerServiceClient({
        fallback: true,
        protocol: 'http',
        apiEndpoint: '127.0.0.1',
        port: server?.port ?? 0,
        projectId: 'my-project',
        credentials,
      })
      try {
        double.put('by-sdk', Buffer.from('old'))
        double.put('by-sdk', Buffer.from('new'))
        const name = 'projects/my-project/secrets/by-sdk/versions/latest'
        const [version] = await client.accessSecretVersion({ name })
        assert.equal(String(Buffer.from(version.payload?.data ?? '')), 'new')
        const read = await (await sessionOf(await open(isImpersonated ? asServiceAccount : {}))).read(
          { path: 'by-sdk', field: null, version: null, parameters: {} },
          signal(),
        )
        assert.equal(version.name?.endsWith(`/versions/${read.version}`), true)
        const who = isImpersonated ? `${double.token} as ${SERVICE_ACCOUNT}` : double.token
        assert.deepEqual(double.reads, [who, who])
        await assert.rejects(client.accessSecretVersion({ name: name.replace('by-sdk', 'nothing') }), /not found or has no versions/)
      } finally {
        await client.close()
        await rm(directory, { recursive: true })
      }
    })
  }

  it('is logged in to once for a session, and for each job with its own token', async () => {
    const address = double.put('shared', Buffer.from('value'))
    const tokens = Array.from({ length: 5 }, (_, index) => `token-of-job-${index}`)
    for (const token of tokens) double.tokens.add(token)
    const ports = { nowMs: Date.now, readFile: async () => new Uint8Array() }
    const provider = await openProvider({ name: 'google', kind: 'google', settings: double.settings(origin()) }, ports)
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

  it('is read by the full name of a secret', async () => {
    const address = double.put('full', Buffer.from('value'))
    const session = await sessionOf(await open())
    assert.equal(await textOf(session, { ...address, path: 'projects/my-project/secrets/full' }), 'value')
    const { project: _, ...bare } = double.settings(origin())
    const without = await openFor(double.token, 'google', bare)
    await assert.rejects((await sessionOf(without)).read(address, signal()), { code: 'PROVIDER_CONFIG_INVALID' })
  })

  it('is not believed when the checksum is of something else, or the secret another one', async () => {
    const address = double.put('mine', Buffer.from('value'))
    const session = await sessionOf(await open())
    const name = 'projects/123456789/secrets/mine/versions/1'
    const data = Buffer.from('value').toString('base64')
    for (const body of [
      { name, payload: { data, dataCrc32c: '1' } },
      { name, payload: { data } },
      { name: name.replace('mine', 'theirs'), payload: { data, dataCrc32c: '3231776174' } },
      { name: name.replace('/1', '/../1'), payload: { data, dataCrc32c: '3231776174' } },
      { name, payload: 'value' },
    ]) {
      double.next = { status: 200, body }
      await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_FAILED' }, JSON.stringify(body))
    }
  })

  it('says what a version is that is disabled, and of a role that is missing', async () => {
    const address = double.put('off', Buffer.from('value'), { isEnabled: false })
    const session = await sessionOf(await open())
    await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_DENIED' })
    double.next = failure(403, 'PERMISSION_DENIED', 'words-of-the-server')
    await assert.rejects(session.read(address, signal()), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'PROVIDER_DENIED')
      return !error.message.includes('words-of-the-server')
    })
  })

  it('is logged in to once more when its token ends before its time, and asked again when it could not serve', async () => {
    const address = double.put('ends', Buffer.from('value'))
    const session = await sessionOf(await open())
    await session.read(address, signal())
    double.issued.clear()
    assert.equal(await textOf(session, address), 'value')
    double.next = failure(503, 'UNAVAILABLE', 'x')
    assert.equal(await textOf(session, address), 'value')
  })

  it('is not read with a token that lives longer than the operator was told', async () => {
    const address = double.put('long', Buffer.from('value'))
    double.expiresInS = 43_200
    await assert.rejects((await sessionOf(await open())).read(address, signal()), { code: 'PROVIDER_CONFIG_INVALID' })
    assert.equal(await textOf(await sessionOf(await open({ 'lives-on': '12h' })), address), 'value')
  })
})
