// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { secretProviderContract } from '@sallyport/testkit'
import type { ProviderSession, SecretAddress, SecretProvider } from '../../contract.ts'
import { CloudSubject, openFor, unable } from '../cloud/_cloud-subject.ts'
import { DoubleServer } from '../cloud/_double-server.ts'
import { openProvider } from '../registry.ts'
import { AwsDouble, jsonError, ROLE } from './_aws-double.ts'

secretProviderContract('for AWS Secrets Manager (double)', {
  start: () => CloudSubject.start(new AwsDouble()),
  unable: unable('Secrets Manager'),
})

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const IDENTITY = { run: 'run-1', job: 'build', repository: null, ref: null, token: null }

async function sessionOf(provider: SecretProvider, ttlMs = 3600_000): Promise<ProviderSession> {
  return provider.openSession({ identity: IDENTITY, ttlMs, note: async () => undefined }, signal())
}

const textOf = async (session: ProviderSession, address: SecretAddress): Promise<string> =>
  String(Buffer.from([...(await session.read(address, signal())).fields.values()][0] ?? []))

describe('AWS Secrets Manager', () => {
  let double = new AwsDouble()
  let server: DoubleServer | undefined
  const origin = (): string => `http://127.0.0.1:${server?.port}`
  const open = (token = double.token): Promise<SecretProvider> => openFor(token, 'aws', double.settings(origin()))

  before(async () => {
    server = await DoubleServer.start((request) => double.respond(request), null)
  })
  beforeEach(() => {
    double = new AwsDouble()
  })
  after(() => server?.[Symbol.asyncDispose]())

  it('is read with credentials for each secret, which its session policy limits to that one', async () => {
    const [one, two] = [double.put('ci/one', Buffer.from('1')), double.put('ci/two', Buffer.from('2'))]
    const session = await sessionOf(await open())
    assert.deepEqual([await textOf(session, one), await textOf(session, two), await textOf(session, one)], ['1', '2', '1'])
    const resources = double.made.map((made) => made.resources)
    assert.deepEqual(
      resources,
      ['one', 'two'].map((name) => [`arn:aws:secretsmanager:eu-central-1:*:secret:ci/${name}-??????`]),
    )
  })

  it('is read for each job with its own token, also when jobs run at a time', async () => {
    const address = double.put('shared', Buffer.from('value'))
    const tokens = Array.from({ length: 5 }, (_, index) => `token-of-job-${index}`)
    for (const token of tokens) double.tokens.add(token)
    const provider = await openProvider(
      { name: 'aws', kind: 'aws', settings: double.settings(origin()) },
      { nowMs: Date.now, readFile: async () => new Uint8Array() },
    )
    const read = async (token: string): Promise<void> => {
      const request = { identity: { ...IDENTITY, token }, ttlMs: 1000, note: async () => undefined }
      const session = await provider.openSession(request, signal())
      await Promise.all([session.read(address, signal()), session.read(address, signal())])
    }
    await Promise.all(tokens.map(read))
    assert.deepEqual(double.made.map(({ by }) => by).toSorted(), tokens)
    assert.deepEqual(
      double.reads.map(({ by }) => by).toSorted(),
      tokens.flatMap((token) => [token, token]),
    )
  })

  it('is asked for sessions that are as short as the job, and at least as long as STS makes them', async () => {
    const address = double.put('short', Buffer.from('value'))
    const provider = await openFor(double.token, 'aws', { ...double.settings(origin()), session: '1h' })
    assert.deepEqual(provider.ending, { kind: 'expires', ttlMs: 3600_000 })
    for (const ttlMs of [60_000, 1_800_000, 86_400_000]) await (await sessionOf(provider, ttlMs)).read(address, signal())
    assert.deepEqual(
      double.forms.map((form) => form.get('DurationSeconds')),
      ['900', '1800', '3600'],
    )
  })

  it('is logged in to once more when credentials end before their time', async () => {
    const address = double.put('ends', Buffer.from('value'))
    const session = await sessionOf(await open())
    await session.read(address, signal())
    for (const made of double.made) made.expiresAtMs = 0
    assert.equal(await textOf(session, address), 'value')
    assert.equal(double.made.length, 2)
  })

  it('is read from by ARN, with and without the end that AWS appends', async () => {
    const address = double.put('by-arn', Buffer.from('value'))
    const session = await sessionOf(await open())
    const arn = double.arnOf(address.path)
    for (const path of [arn, arn.replace(/-[0-9a-f]{6}$/, '')]) assert.equal(await textOf(session, { ...address, path }), 'value')
    const account = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret'
    await assert.rejects(session.read({ ...address, path: `${account}:elsewhere-abcdef` }, signal()), { code: 'SECRET_NOT_FOUND' })
    await assert.rejects(session.read({ ...address, path: `${account.replace('eu-central-1', 'us-east-1')}:x` }, signal()), {
      code: 'PROVIDER_CONFIG_INVALID',
    })
    assert.deepEqual(double.made.at(-1)?.resources, [`${account}:elsewhere-abcdef`, `${account}:elsewhere-abcdef-??????`])
  })

  it('is read at a staging label', async () => {
    double.put('staged', Buffer.from('old'))
    const address = double.put('staged', Buffer.from('new'))
    const session = await sessionOf(await open())
    const labels = ['AWSPREVIOUS', 'AWSCURRENT']
    assert.deepEqual(await Promise.all(labels.map((version) => textOf(session, { ...address, version }))), ['old', 'new'])
  })

  it('is read whole, where an object of JSON is meant as a text', async () => {
    const address = double.put('json', Buffer.from('{"a": 1, "b": 2}'))
    assert.equal(await textOf(await sessionOf(await open()), { ...address, parameters: { as: 'text' } }), '{"a": 1, "b": 2}')
  })

  for (const [type, message, code] of [
    ['InvalidSignatureException', 'Signature expired: 20200101T000000Z is now earlier than 20200101T001000Z', 'PROVIDER_LOGIN_REFUSED'],
    ['InvalidSignatureException', 'Credential should be scoped to a valid region.', 'PROVIDER_CONFIG_INVALID'],
    ['InvalidRequestException', "You can't perform this operation on the secret because it was marked for deletion.", 'SECRET_NOT_FOUND'],
    ['DecryptionFailure', 'token-in-a-message', 'PROVIDER_FAILED'],
    ['com.amazonaws.secretsmanager#AccessDeniedException', 'token-in-a-message', 'PROVIDER_DENIED'],
    ['constructor', 'token-in-a-message', 'PROVIDER_FAILED'],
  ] as const) {
    it(`(${type}: ${message}) says ${code}, and none of these words`, async () => {
      const address = double.put('wrong', Buffer.from('value'))
      const session = await sessionOf(await open())
      double.next = jsonError(type, message)
      await assert.rejects(session.read(address, signal()), (error: Error & { code?: string }) => {
        assert.equal(error.code, code)
        return !error.message.includes(message)
      })
    })
  }

  it('is asked again when it could not serve for a moment', async () => {
    const address = double.put('again', Buffer.from('value'))
    const session = await sessionOf(await open())
    double.next = { status: 503, body: { __type: 'ServiceUnavailable' } }
    assert.equal(await textOf(session, address), 'value')
  })

  it('is not believed when it answers with another secret than the one that was asked for', async () => {
    const address = double.put('mine', Buffer.from('value'))
    const session = await sessionOf(await open())
    const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:theirs-abcdef'
    const body = { ARN: arn, Name: 'theirs', VersionId: 'a'.repeat(32), SecretString: 'planted' }
    double.next = { status: 200, body }
    await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_FAILED' })
  })

  it('is read with a chain of roles from a file, each step of which may only take the next', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-aws-'))
    const file = join(directory, 'credentials')
    const key = { accessKeyId: 'AKIAEXAMPLEEXAMPLE', secretAccessKey: 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY', sessionToken: null }
    double.keys.set(key.accessKeyId, key)
    await writeFile(
      file,
      `[default]\naws_access_key_id = x\n\n[ci]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`,
    )
    const address = double.put('chained', Buffer.from('value'))
    const via = 'arn:aws:iam::210987654321:role/hub'
    const auth = { method: 'credentials-file', credentials: file, profile: 'ci', via: [via], role: ROLE, 'external-id': 'outside-1' }
    const provider = await openFor('unused', 'aws', { ...double.settings(origin()), auth })
    assert.equal(await textOf(await sessionOf(provider), address), 'value')
    assert.deepEqual(
      double.forms.map((form) => [form.get('RoleArn'), form.get('ExternalId')]),
      [
        [via, null],
        [ROLE, 'outside-1'],
      ],
    )
    assert.deepEqual(double.made[0]?.resources, [ROLE])
    await rm(directory, { recursive: true })
  })

  it('is not logged in to by an answer of STS that is none', async () => {
    const address = double.put('mine', Buffer.from('value'))
    const [id, secret, token, end] = ['ASIAEXAMPLEEXAMPLE00', 's'.repeat(40), 't'.repeat(40), '2030-01-01T00:00:00Z']
    const say = (parts: Readonly<Record<string, string>>): string =>
      Object.entries({ AccessKeyId: id, SecretAccessKey: secret, SessionToken: token, Expiration: end, ...parts })
        .map(([name, text]) => `<${name}>${text}</${name}>`)
        .join('')
    const answers = [
      '',
      '{"AssumeRoleWithWebIdentityResponse": {}}',
      say({ Expiration: 'never' }),
      say({ SessionToken: 'line\r\nx-injected: 1' }),
      say({ AccessKeyId: 'A/../B' }),
      say({}) + say({}),
      say({ SecretAccessKey: '&lt;' }),
    ]
    for (const answer of answers) {
      double.stsSays = answer
      const session = await sessionOf(await open())
      await assert.rejects(session.read(address, signal()), { code: 'PROVIDER_FAILED' }, answer)
    }
  })

  it('refuses settings that would send a credential in the clear, or to nowhere', async () => {
    const bad = [
      { sts: 'http://sts.example.test' },
      { sts: 'https://user@sts.example.test' },
      { secretsmanager: 'https://x.example.test/path' },
    ]
    for (const endpoints of bad)
      await assert.rejects(openFor('t', 'aws', { ...double.settings(origin()), endpoints }), { code: 'PROVIDER_CONFIG_INVALID' })
    await assert.rejects(openFor('t', 'aws', { ...double.settings(origin()), session: '2h' }), { code: 'PROVIDER_CONFIG_INVALID' })
    await assert.rejects(openFor('t', 'aws', { ...double.settings(origin()), regoin: 'x' }), { code: 'PROVIDER_CONFIG_INVALID' })
  })
})
