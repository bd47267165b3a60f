// SPDX-License-Identifier: Apache-2.0
// What a server says that a real one says seldom, or never. The contract suite runs against a real OpenBao: test/servers.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import type { ProviderSession, ReadSecret, SecretAddress, SettingsTree } from '../../contract.ts'
import { openProvider } from '../registry.ts'
import { type Asked, CHILD, type Reply, ScriptedVault, TOKEN } from './_scripted-vault.ts'

const MOUNTS = {
  kv: { engine: 'kv' },
  database: { engine: 'database' },
  aws: { engine: 'aws' },
  'aws-sts': { engine: 'aws', 'lives-on': '15m' },
  gcp: { engine: 'gcp', 'lives-on': '1h' },
  azure: { engine: 'azure' },
  generic: { engine: 'generic', method: 'write' },
}
const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const at = (path: string, changes: Partial<SecretAddress> = {}): SecretAddress => ({
  path,
  field: null,
  version: null,
  parameters: {},
  ...changes,
})
const identity = { run: 'r', job: 'j', repository: 'acme/widgets', ref: null, token: null }
const hasCode = (code: string) => (error: unknown) => assert.equal((error as { code?: string }).code, code, inspect(error)) === undefined

interface World extends AsyncDisposable {
  readonly vault: ScriptedVault
  readonly session: ProviderSession
}

const portsWith = (files: Readonly<Record<string, string>>) => ({
  nowMs: Date.now,
  readFile: async (path: string) => new TextEncoder().encode(files[path] ?? assert.fail(path)),
})

function providerOf(address: string, settings: SettingsTree = {}): ReturnType<typeof openProvider> {
  const all = { address, auth: { method: 'token', token: 'token' }, mounts: MOUNTS, ...settings }
  return openProvider({ name: 'vault', kind: 'vault', settings: all }, portsWith({ token: `${TOKEN}\n` }))
}

async function start(say: (asked: Asked) => Reply | null, note: () => Promise<void> = async () => undefined): Promise<World> {
  const vault = await ScriptedVault.start(say)
  const provider = await providerOf(vault.address)
  const session = await provider.openSession({ identity, ttlMs: 300_000, note }, signal()).catch(async (error: unknown) => {
    await vault[Symbol.asyncDispose]()
    throw error
  })
  return { vault, session, [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose]() }
}

const lease = (data: object, changes: object = {}): Reply => ({
  status: 200,
  body: { lease_id: 'lease/1', lease_duration: 120, renewable: true, data, ...changes },
})
const kv = (data: unknown, version: unknown = 1): Reply => ({ status: 200, body: { data: { data, metadata: { version } } } })
const below =
  (path: string, ...replies: readonly Reply[]) =>
  (asked: Asked): Reply | null => {
    if (!asked.path.startsWith(path)) return null
    const next = (rest.get(path) ?? 0) + 1
    rest.set(path, next)
    return replies[Math.min(next, replies.length) - 1] ?? null
  }
const rest = new Map<string, number>()
const text = ({ fields }: ReadSecret, name: string): string => new TextDecoder().decode(fields.get(name))

async function readAnswer(address: SecretAddress, ...replies: readonly Reply[]): Promise<{ read: ReadSecret; vault: ScriptedVault }> {
  rest.clear()
  await using world = await start(below(address.path.replace(/^kv\//, 'kv/data/'), ...replies))
  return { read: await world.session.read(address, signal()), vault: world.vault }
}

describe('a question to Vault', () => {
  it('is asked again when the server asks for patience, or is about to serve', async () => {
    const busy = { status: 429, headers: { 'retry-after': '0' } }
    const standby = { status: 503, body: { errors: ['local node not active but active cluster node not found'] } }
    const { read, vault } = await readAnswer(at('kv/a'), busy, standby, 'drop', { status: 412 }, kv({ value: 'x' }))
    assert.deepEqual([text(read, 'value'), vault.count('kv/data/a')], ['x', 5])
  })

  it('that makes something is never asked again after an answer that may have been lost', async () => {
    for (const reply of ['drop', { status: 503 }, { status: 500 }] as const) {
      rest.clear()
      await using world = await start(below('database/creds/ci', reply))
      await assert.rejects(world.session.read(at('database/creds/ci', { field: 'password' }), signal()))
      assert.equal(world.vault.count('database/creds/ci'), 1, inspect(reply))
    }
    const { vault } = await readAnswer(
      at('database/creds/ci', { field: 'password' }),
      { status: 429 },
      lease({ username: 'u', password: 'p' }),
    )
    assert.equal(vault.count('database/creds/ci'), 2)
  })

  it('is answered by nobody else: no redirect is followed', async () => {
    const elsewhere = { status: 307, headers: { location: 'http://127.0.0.1:1/v1/kv/data/a' } }
    await assert.rejects(readAnswer(at('kv/a'), elsewhere), hasCode('PROVIDER_SEALED'))
  })

  it('tells nothing of an answer that is no success', async () => {
    const said = { status: 500, body: { errors: ['the password is hunter2'], data: { password: 'hunter2' } } }
    const error = await readAnswer(at('kv/a'), said).catch((thrown: unknown) => thrown)
    hasCode('PROVIDER_FAILED')(error)
    assert.ok(!inspect(error, { depth: null, showHidden: true }).includes('hunter2'))
    assert.ok(!JSON.stringify(error).includes('hunter2'))
  })

  const nonsense: readonly (readonly [string, Reply])[] = [
    ['a list', { status: 200, body: [] }],
    ['a text', { status: 200, body: '"x"' }],
    ['half of an object', { status: 200, body: '{"data":{"data":{"value":"x"' }],
    ['bytes that are no UTF-8', { status: 200, body: '{"data":"\ud800"' }],
    ['nothing', { status: 204, body: '' }],
    ['no data', { status: 200, body: { data: null } }],
    ['data that is a text', kv('x')],
    ['no version', kv({ value: 'x' }, 'one')],
  ]
  for (const [what, reply] of nonsense)
    it(`is not answered by ${what}`, async () => {
      await assert.rejects(readAnswer(at('kv/a'), reply), hasCode('PROVIDER_FAILED'))
    })

  it('has a token that cannot become another header', async () => {
    for (const token of ['a\r\nx-vault-namespace: other', '', 'x'.repeat(5000), 7]) {
      const reply = { status: 200, body: { auth: { ...CHILD, client_token: token } } }
      await assert.rejects(start(below('auth/token/create', reply)), hasCode('PROVIDER_FAILED'))
    }
  })
})

describe('an address', () => {
  it('of a version is a number from 1, and the answer is of that version', async () => {
    for (const version of ['0', '-1', '01', '1e3', '0x1', ' 1', '9'.repeat(20)])
      await assert.rejects(readAnswer(at('kv/a', { version }), kv({ value: 'newest' }, 9)), hasCode('SECRET_VERSION_NOT_FOUND'), version)
    await assert.rejects(readAnswer(at('kv/a', { version: '3' }), kv({ value: 'newest' }, 9)), hasCode('SECRET_VERSION_NOT_FOUND'))
    assert.equal((await readAnswer(at('kv/a', { version: '3' }), kv({ value: 'x' }, 3))).read.version, '3')
  })

  it('that leads elsewhere is not asked', async () => {
    await using world = await start(() => null)
    const before = world.vault.asked.length
    for (const path of [
      'sys/seal',
      'kv/../sys/seal',
      'kv//a',
      'kv/%2e%2e/sys',
      'kv/a?x',
      'kv/a#x',
      'kv',
      'kv/',
      '/kv/a',
      'kv/a\nb',
      'kv/+',
      'other/a',
    ])
      await assert.rejects(world.session.read(at(path), signal()), hasCode('SECRET_NOT_FOUND'), path)
    assert.equal(world.vault.asked.length, before)
  })

  it('keeps its numbers as they were written', async () => {
    const { read } = await readAnswer(at('kv/a', { field: 'n' }), {
      status: 200,
      body: '{"data":{"data":{"n":12345678901234567890,"o":{"m":1.10}},"metadata":{"version":1}}}',
    })
    assert.deepEqual([text(read, 'n'), text(read, 'o')], ['12345678901234567890', '{"m":"1.10"}'])
  })
})

describe('a session with Vault', () => {
  it('is noted before anything is asked with it, and its policies are asked for as the settings say', async () => {
    const order: string[] = []
    const say = (asked: Asked): null =>
      void order.push(`${asked.path}${asked.token === CHILD.client_token ? ' by the child' : ''}`) as unknown as null
    await using world = await start(
      (asked) => say(asked) ?? null,
      async () => void order.push('noted'),
    )
    await world.session.read(at('kv/a'), signal()).catch(() => undefined)
    assert.deepEqual(order, ['auth/token/lookup-self', 'auth/token/create', 'noted', 'kv/data/a by the child'])
    const { body } = world.vault.asked[1] ?? assert.fail()
    assert.deepEqual(
      [body?.['ttl'], body?.['explicit_max_ttl'], body?.['no_default_policy'], body?.['renewable']],
      ['300s', '300s', true, false],
    )
  })

  it('that could outlive its job is ended at once, and refused', async () => {
    for (const changes of [{ lease_duration: 0 }, { lease_duration: 3600 }, { renewable: true }, { orphan: true }]) {
      const asked: Asked[] = []
      const reply = { status: 200, body: { auth: { ...CHILD, ...changes } } }
      await assert.rejects(
        start((question) => {
          asked.push(question)
          return question.path.startsWith('auth/token/create') ? reply : null
        }),
        hasCode('PROVIDER_CONFIG_INVALID'),
      )
      assert.deepEqual(asked.at(-1)?.body, { accessor: CHILD.accessor }, inspect(changes))
    }
  })

  it('ends a lease whose answer is of no use', async () => {
    rest.clear()
    await using world = await start(below('database/creds/ci', lease({ username: 'u', password: '' })))
    await assert.rejects(world.session.read(at('database/creds/ci', { field: 'password' }), signal()), hasCode('SECRET_EMPTY'))
    assert.deepEqual(world.vault.asked.at(-1)?.body, { lease_id: 'lease/1', sync: true })
  })

  it('ends every lease that it knows of, then its token, also when one of them cannot be ended', async () => {
    let leases = 0
    await using world = await start(({ path, body }) => {
      if (path.startsWith('database/')) return lease({ password: 'p' }, { lease_id: `lease/${++leases}` })
      return path === 'sys/leases/revoke' && body?.['lease_id'] === 'lease/2' ? { status: 400, body: { errors: ['failed'] } } : null
    })
    for (let read = 0; read < 3; read++) await world.session.read(at('database/creds/ci'), signal())
    await assert.rejects(world.session.end(signal()), hasCode('LEASE_NOT_REVOKED'))
    assert.deepEqual([world.vault.count('sys/leases/revoke'), world.vault.asked.at(-1)?.path], [3, 'auth/token/revoke-accessor'])
  })

  it('of a server that says that it knows no such handle has ended', async () => {
    for (const errors of [['invalid accessor'], ['token not found']]) {
      await using vault = await ScriptedVault.start(({ path }) =>
        path === 'auth/token/revoke-accessor' ? { status: 400, body: { errors } } : null,
      )
      await (await providerOf(vault.address)).endSession('unknown', signal())
    }
    await using vault = await ScriptedVault.start(({ path }) => (path === 'auth/token/revoke-accessor' ? { status: 403 } : null))
    await assert.rejects((await providerOf(vault.address)).endSession('unknown', signal()), hasCode('PROVIDER_DENIED'))
  })
})

describe('a cloud engine', () => {
  it('has leases that end', async () => {
    const { read } = await readAnswer(
      at('aws/creds/ci', { field: 'secret_key' }),
      lease({ access_key: 'a', secret_key: 's', security_token: null }),
    )
    assert.deepEqual([text(read, 'secret_key'), read.lease?.id, read.fields.has('security_token')], ['s', 'lease/1', false])
    const azure = await readAnswer(at('azure/creds/ci', { field: 'client_secret' }), lease({ client_id: 'i', client_secret: 's' }))
    assert.equal(azure.read.lease?.isRenewable, true)
  })

  it('whose credentials nothing ends is refused, unless they may live on, and then asked for short ones', async () => {
    const answer = lease(
      { access_key: 'a', secret_key: 's', session_token: 't', security_token: 't' },
      { lease_duration: 900, renewable: false },
    )
    await assert.rejects(readAnswer(at('aws/sts/ci', { field: 'secret_key' }), answer), hasCode('PROVIDER_CONFIG_INVALID'))
    const { read, vault } = await readAnswer(at('aws-sts/sts/ci', { field: 'secret_key', parameters: { ttl: '2m' } }), answer)
    assert.deepEqual([read.lease?.id, vault.asked.at(-1)?.path], ['', 'aws-sts/sts/ci?ttl=120s'])
  })

  it('that says when a token of its own ends is believed, and held to the settings', async () => {
    const ends = (inS: number): Reply => ({
      status: 200,
      body: { data: { token: 't', expires_at_seconds: Math.floor(Date.now() / 1000) + inS, token_ttl: inS } },
    })
    const address = at('gcp/roleset/ci/token', { field: 'token' })
    const { read } = await readAnswer(address, ends(3000))
    assert.ok((read.lease?.expiresAtMs ?? 0) > Date.now() + 2_900_000)
    await assert.rejects(readAnswer(address, ends(90_000)), hasCode('PROVIDER_CONFIG_INVALID'))
  })
})

describe('settings of Vault', () => {
  const wrong: readonly (readonly [string, SettingsTree])[] = [
    ['address in the clear', { address: 'http://vault.example.test:8200' }],
    ['address with a password', { address: 'https://user:secret@vault.example.test' }],
    ['method that is unknown', { auth: { method: 'ldap' } }],
    ['key that is unknown', { adress: 'x' }],
    ['key of a section that is unknown', { auth: { method: 'token', token: 't', tokn: 'x' } }],
    ['engine that is unknown', { mounts: { kv: { engine: 'transit' } } }],
    ['mount of the server itself', { mounts: { sys: { engine: 'generic' } } }],
    ['mount that leads up', { mounts: { 'kv/../sys': { engine: 'generic' } } }],
    ['mount of a version that is none', { mounts: { kv: { engine: 'kv', version: '3' } } }],
    ['mount whose credentials live on for ever', { mounts: { pki: { engine: 'pki', 'lives-on': '100h' } } }],
    ['namespace that leads up', { namespace: 'a b' }],
    ['list where a text belongs', { namespace: ['a'] }],
    ['lack of mounts', { mounts: {} }],
  ]
  for (const [what, changes] of wrong)
    it(`with a ${what} are refused before anything is asked`, async () => {
      await assert.rejects(providerOf('https://vault.example.test:8200', changes), hasCode('PROVIDER_CONFIG_INVALID'))
    })

  it('name the key that was meant', async () => {
    await assert.rejects(providerOf('https://vault.example.test', { adress: 'x' }), { hint: 'did you mean "address"?' })
  })
})
