// SPDX-License-Identifier: Apache-2.0
// AWS Secrets Manager and STS as moto emulates them: the contract suite, and both ways to log in. moto checks neither signatures nor session policies;
// what these are is judged by AWS's vectors and by the double beside the provider.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { openProvider, type ProviderSession, type SecretAddress, type SecretProvider, type SettingsTree } from '@sallyport/secrets'
import { type ProviderSubject, secretProviderContract } from '@sallyport/testkit'
import { Moto } from './_moto.ts'

const ROLE = 'arn:aws:iam::123456789012:role/ci'
const TRUST = JSON.stringify({ Version: '2012-10-17', Statement: [] })
const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const at = (path: string): SecretAddress => ({ path, field: null, version: null, parameters: {} })

/** A file as AWS's own tools read it. */
async function writeCredentials(moto: Moto, { id, secret }: { readonly id: string; readonly secret: string }): Promise<string> {
  const path = moto.file(`credentials-${randomUUID()}`)
  await writeFile(path, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`)
  return path
}

function providerOf(moto: Moto, auth: SettingsTree, address = moto.address): Promise<SecretProvider> {
  const endpoints = { sts: address, secretsmanager: address }
  const settings = { region: 'eu-central-1', endpoints, auth: { role: ROLE, ...auth } }
  return openProvider({ name: 'aws', kind: 'aws', settings }, { nowMs: Date.now, readFile: async (path) => readFile(path) })
}

async function createRole(moto: Moto): Promise<void> {
  await moto.iam({ Action: 'CreateRole', RoleName: 'ci', AssumeRolePolicyDocument: TRUST })
}

class MotoSubject implements ProviderSubject {
  readonly missing = at('ci/nothing-is-here')
  readonly valueBytesMax = 65_536
  readonly credentials: readonly string[]
  readonly #moto: Moto
  readonly #file: string

  private constructor(moto: Moto, { file, secret }: { readonly file: string; readonly secret: string }) {
    this.#moto = moto
    this.#file = file
    this.credentials = [secret]
  }

  static async start(): Promise<MotoSubject> {
    const moto = await Moto.start()
    await createRole(moto)
    const secret = randomUUID()
    return new MotoSubject(moto, { file: await writeCredentials(moto, { id: 'AKIAEXAMPLEEXAMPLE00', secret }), secret })
  }

  open(): Promise<SecretProvider> {
    return providerOf(this.#moto, { method: 'credentials-file', credentials: this.#file })
  }

  async store(name: string, content: Uint8Array | Readonly<Record<string, string>>): Promise<SecretAddress> {
    const path = `ci/${name}`
    const { SecretList: list } = await this.#moto.secrets('ListSecrets', { MaxResults: 100, Filters: [{ Key: 'name', Values: [path] }] })
    const isThere = (list as { Name: string }[]).some(({ Name }) => Name === path)
    await (isThere
      ? this.#moto.secrets('PutSecretValue', { SecretId: path, ...valueOf(content) })
      : this.#moto.secrets('CreateSecret', { Name: path, ...valueOf(content) }))
    return at(path)
  }

  async troubled(): Promise<{ provider: SecretProvider; address: SecretAddress }> {
    const auth = { method: 'credentials-file', credentials: this.#file }
    return { provider: await providerOf(this.#moto, auth, 'http://127.0.0.1:1'), address: this.missing }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#moto[Symbol.asyncDispose]()
  }
}

function valueOf(content: Uint8Array | Readonly<Record<string, string>>): object {
  if (!(content instanceof Uint8Array)) return { SecretString: JSON.stringify(content) }
  const text = Buffer.from(content).toString('utf8')
  return Buffer.from(text).equals(content) ? { SecretString: text } : { SecretBinary: Buffer.from(content).toString('base64') }
}

const BY_DOUBLE = 'moto cannot be brought to it; the double beside the provider is'
const ONLY_VALUES = 'Secrets Manager only stores values'

secretProviderContract('for AWS Secrets Manager (moto)', {
  start: () => MotoSubject.start(),
  unable: {
    silent: BY_DOUBLE,
    'wrong-certificate': BY_DOUBLE,
    'login-refused': 'moto takes every key',
    denied: 'moto holds to no policy',
    'rate-limited': BY_DOUBLE,
    sealed: 'Secrets Manager has no such state',
    nonsense: BY_DOUBLE,
    endless: BY_DOUBLE,
    empty: 'Secrets Manager stores no empty value',
    large: 'Secrets Manager stores no more than we take',
    leases: ONLY_VALUES,
    renewal: ONLY_VALUES,
    'session-state': 'Secrets Manager has no sessions: what was made ends by time',
  },
})

describe('AWS as moto emulates it', () => {
  let moto: Moto
  before(async () => {
    moto = await Moto.start()
    await createRole(moto)
    await moto.secrets('CreateSecret', { Name: 'ci/token', SecretString: 'value' })
  })
  after(() => moto?.[Symbol.asyncDispose]())

  const open = async (provider: SecretProvider, token: string | null): Promise<ProviderSession> => {
    const identity = { run: 'run-1', job: 'build', repository: null, ref: null, token }
    return provider.openSession({ identity, ttlMs: 3600_000, note: async () => undefined }, signal())
  }

  it('is read by a job that logs in with its own token', async () => {
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
    const token = `${encode({ alg: 'RS256' })}.${encode({ sub: 'repository:acme/widgets', iss: 'https://issuer.example.test' })}.signature`
    const session = await open(await providerOf(moto, { method: 'job-token' }), token)
    const { fields, version } = await session.read(at('ci/token'), signal())
    assert.deepEqual([String(Buffer.from(fields.get('value') ?? [])), version?.length], ['value', 36])
  })

  it('is read by ARN, and at a staging label', async () => {
    const { ARN: arn } = await moto.secrets('DescribeSecret', { SecretId: 'ci/token' })
    const credentials = await writeCredentials(moto, { id: 'AKIAEXAMPLEEXAMPLE00', secret: randomUUID() })
    const session = await open(await providerOf(moto, { method: 'credentials-file', credentials }), null)
    const read = await session.read({ ...at(String(arn)), version: 'AWSCURRENT' }, signal())
    assert.equal(String(Buffer.from(read.fields.get('value') ?? [])), 'value')
  })

  it('has nothing where a secret is marked for deletion', async () => {
    await moto.secrets('CreateSecret', { Name: 'ci/gone', SecretString: 'value' })
    await moto.secrets('DeleteSecret', { SecretId: 'ci/gone', RecoveryWindowInDays: 7 })
    const credentials = await writeCredentials(moto, { id: 'AKIAEXAMPLEEXAMPLE00', secret: randomUUID() })
    const session = await open(await providerOf(moto, { method: 'credentials-file', credentials }), null)
    await assert.rejects(session.read(at('ci/gone'), signal()), { code: 'SECRET_NOT_FOUND' })
  })
})
