// SPDX-License-Identifier: Apache-2.0
// What Vault and OpenBao have and other managers have not, against a real OpenBao.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomUUID, sign, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { managerLogOf, type ProviderSession, type SecretAddress, type SecretProvider, type SettingsTree } from '@sallyport/secrets'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'
import { until } from './_unprivileged.ts'
import { vaultProvider } from './_vault-provider.ts'

const TTL_MS = 5 * 60_000
const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const at = (path: string, changes: Partial<SecretAddress> = {}): SecretAddress => ({
  path,
  field: null,
  version: null,
  parameters: {},
  ...changes,
})
const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    assert.equal((error as { code?: string }).code, code, String(error)) === undefined

interface Opened {
  readonly session: ProviderSession
  readonly handle: string
}

async function open(
  provider: SecretProvider,
  { token = null, ttlMs = TTL_MS }: { token?: string | null; ttlMs?: number } = {},
): Promise<Opened> {
  let handle = ''
  const note = async (given: string): Promise<void> => {
    handle = given
  }
  const identity = { run: 'run-7', job: 'build', repository: 'acme/widgets', ref: 'refs/heads/main', token }
  return { session: await provider.openSession({ identity, ttlMs, note }, signal()), handle }
}

async function readText(session: ProviderSession, address: SecretAddress): Promise<Readonly<Record<string, string>>> {
  const { fields } = await session.read(address, signal())
  return Object.fromEntries([...fields].map(([name, bytes]) => [name, Buffer.from(bytes).toString('utf8')]))
}

describe('OpenBao', { timeout: 240_000 }, () => {
  let bao: OpenBao
  before(async () => {
    bao = await OpenBao.start({ mode: 'kept' })
    await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
    await bao.admin('POST', 'sys/mounts/old', { type: 'kv', options: { version: '1' } })
    await bao.admin('POST', 'kv/data/ci/token', { data: { value: 'kept in version 2' } })
    await bao.admin('POST', 'old/ci/token', { value: 'kept in version 1' })
    await bao.policy('job', {
      'kv/data/ci/*': ['read'],
      'old/ci/*': ['read'],
      'pki/issue/*': ['update'],
      'ssh/creds/*': ['update'],
      'ssh/issue/*': ['update'],
      'ssh/sign/*': ['update'],
    })
    await bao.policy('sallyport', {
      'auth/token/create/sallyport-job': ['update'],
      'auth/token/lookup-accessor': ['update'],
      'auth/token/revoke-accessor': ['update'],
      'sys/leases/renew': ['update'],
      'sys/leases/revoke': ['update'],
      'sys/audit-hash/main': ['update'],
    })
    await bao.admin('POST', 'auth/token/roles/sallyport-job', { allowed_policies: 'job', orphan: false, renewable: false })
    await bao.admin('POST', 'sys/auth/approle', { type: 'approle' })
    await bao.admin('POST', 'auth/approle/role/sallyport', { token_policies: 'sallyport', token_period: '10m' })
  })
  after(() => bao?.[Symbol.asyncDispose]())

  const mounts = { kv: { engine: 'kv' }, old: { engine: 'kv', version: '1' } }
  const brokerToken = async (changes: object = {}): Promise<string> =>
    (await bao.admin('POST', 'auth/token/create', { policies: ['sallyport'], period: '10m', ...changes })).auth.client_token
  const withToken = async (settings: SettingsTree = {}, changes: object = {}): Promise<SecretProvider> => {
    const token = bao.file(`token-${randomUUID()}`, `${await brokerToken(changes)}\n`)
    return vaultProvider(bao, { auth: { method: 'token', token }, 'token-role': 'sallyport-job', mounts, ...settings })
  }
  const approle = async (changes: SettingsTree, secretId: string): Promise<SecretProvider> => {
    const { role_id: roleId } = (await bao.admin('GET', 'auth/approle/role/sallyport/role-id')).data
    const auth = { method: 'approle', 'role-id': roleId, 'secret-id': bao.file(`secret-id-${randomUUID()}`, secretId), ...changes }
    return vaultProvider(bao, { auth, 'token-role': 'sallyport-job', mounts })
  }

  describe('a stored secret', () => {
    it('is read from KV of either version', async () => {
      await using provider = await withToken()
      const { session } = await open(provider)
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      assert.deepEqual(await readText(session, at('old/ci/token')), { value: 'kept in version 1' })
      await assert.rejects(session.read(at('old/ci/token', { version: '1' }), signal()), hasCode('SECRET_VERSION_NOT_FOUND'))
      await session.end(signal())
    })

    it('that was deleted is not there', async () => {
      await bao.admin('POST', 'kv/data/ci/gone', { data: { value: 'x' } })
      await bao.admin('DELETE', 'kv/data/ci/gone')
      await using provider = await withToken()
      const { session } = await open(provider)
      await assert.rejects(session.read(at('kv/ci/gone'), signal()), hasCode('SECRET_NOT_FOUND'))
      await assert.rejects(session.read(at('kv/ci/gone', { version: '1' }), signal()), hasCode('SECRET_VERSION_NOT_FOUND'))
      await session.end(signal())
    })

    it('is still there after the server was sealed, and is read once it is unsealed', async () => {
      await using provider = await withToken()
      const { session } = await open(provider)
      await bao.admin('PUT', 'sys/seal')
      await assert.rejects(session.read(at('kv/ci/token'), signal()), hasCode('PROVIDER_SEALED'))
      await bao.unseal()
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      await session.end(signal())
    })
  })

  describe("a job's token", () => {
    it('says whose it is, may what its role may, and is nobody’s to renew', async () => {
      await using provider = await withToken()
      const { session, handle } = await open(provider)
      const { data } = await bao.admin('POST', 'auth/token/lookup-accessor', { accessor: handle })
      assert.deepEqual(data.meta, { run: 'run-7', job: 'build', repository: 'acme/widgets', ref: 'refs/heads/main' })
      assert.deepEqual([data.policies, data.renewable, data.orphan, data.num_uses], [['job'], false, false, 0])
      assert.ok(data.explicit_max_ttl === 300 && data.ttl <= 300)
      await session.end(signal())
    })

    it('ends by itself when the job’s time is over', async () => {
      await using provider = await withToken()
      const { session, handle } = await open(provider, { ttlMs: 2000 })
      const isLive = async (): Promise<boolean> =>
        (await bao.raw('POST', 'auth/token/lookup-accessor', { accessor: handle })).status === 200
      assert.equal(await isLive(), true)
      await until('the token has ended', async () => !(await isLive()))
      await assert.rejects(session.read(at('kv/ci/token'), signal()), hasCode('PROVIDER_LOGIN_REFUSED'))
      await session.end(signal())
    })

    it('is handed over in a wrapping where the settings say so, and is noted before that is opened', async () => {
      await using provider = await withToken({ wrap: 'true' })
      const { session, handle } = await open(provider)
      assert.equal((await bao.raw('POST', 'auth/token/lookup-accessor', { accessor: handle })).status, 200)
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      await session.end(signal())
      assert.notEqual((await bao.raw('POST', 'auth/token/lookup-accessor', { accessor: handle })).status, 200)
    })

    it('is refused where its role would let it outlive the job, and nothing of it stays', async () => {
      await bao.admin('POST', 'auth/token/roles/lasting', { allowed_policies: 'job', token_period: '1h', orphan: true, renewable: true })
      await bao.policy('lasting', { 'auth/token/create/lasting': ['update'], 'auth/token/revoke-accessor': ['update'] })
      await using provider = await withToken({ 'token-role': 'lasting' }, { policies: ['lasting'] })
      await assert.rejects(open(provider), hasCode('PROVIDER_CONFIG_INVALID'))
    })
  })

  describe("the broker's login", () => {
    it('renews its token before it ends', async () => {
      await using provider = await withToken({}, { period: '3s' })
      const { session } = await open(provider)
      await new Promise((resolve) => setTimeout(resolve, 7000))
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      await session.end(signal())
    })

    it('is refused with a token that was revoked, and the read says so', async () => {
      await using provider = await withToken()
      await using other = await withToken()
      await open(provider)
      const token = await brokerToken()
      await bao.admin('POST', 'auth/token/revoke', { token })
      await using revoked = await vaultProvider(bao, { auth: { method: 'token', token: bao.file('revoked', token) }, mounts })
      await assert.rejects(open(revoked), hasCode('PROVIDER_LOGIN_REFUSED'))
      assert.deepEqual(await readText((await open(other)).session, at('kv/ci/token')), { value: 'kept in version 2' })
    })

    it('by AppRole logs in once more when its token was revoked', async () => {
      const { secret_id: secretId } = (await bao.admin('POST', 'auth/approle/role/sallyport/secret-id')).data
      await using provider = await approle({}, secretId)
      const { session, handle } = await open(provider)
      const { keys } = (await bao.admin('LIST', 'auth/token/accessors')).data
      for (const accessor of keys) {
        const { body } = await bao.raw('POST', 'auth/token/lookup-accessor', { accessor })
        if (body?.data?.path === 'auth/approle/login') await bao.admin('POST', 'auth/token/revoke-accessor', { accessor })
      }
      await assert.rejects(session.read(at('kv/ci/token'), signal()), hasCode('PROVIDER_LOGIN_REFUSED'))
      await provider.endSession(handle, signal())
      assert.deepEqual(await readText((await open(provider)).session, at('kv/ci/token')), { value: 'kept in version 2' })
    })

    it('by AppRole unwraps its secret ID, which then is of no use to anybody else', async () => {
      const wrapped = (): Promise<string> =>
        bao
          .admin('POST', 'auth/approle/role/sallyport/secret-id', {}, { 'x-vault-wrap-ttl': '60s' })
          .then(({ wrap_info: info }) => info.token)
      const wrapping = await wrapped()
      await using provider = await approle({ 'secret-id-is-wrapped': 'true' }, wrapping)
      assert.deepEqual(await readText((await open(provider)).session, at('kv/ci/token')), { value: 'kept in version 2' })
      await using late = await approle({ 'secret-id-is-wrapped': 'true' }, wrapping)
      await assert.rejects(open(late), hasCode('PROVIDER_LOGIN_REFUSED'))
      const swapped = (await bao.admin('POST', 'sys/wrapping/wrap', { secret_id: 'mine' }, { 'x-vault-wrap-ttl': '60s' })).wrap_info.token
      await using fooled = await approle({ 'secret-id-is-wrapped': 'true' }, swapped)
      await assert.rejects(open(fooled), /not made as a secret ID/)
    })
  })

  describe("the broker's login by Kubernetes", () => {
    /** Only the API's token review is a double; the login and the role are the server's own. https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ */
    async function reviewer(): Promise<{ readonly url: string; readonly asked: string[] } & AsyncDisposable> {
      const asked: string[] = []
      const server = createServer(async (request, response) => {
        const { spec } = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()) as { spec: { token: string } }
        asked.push(request.url ?? '')
        const { sub } = JSON.parse(Buffer.from(spec.token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
        const user = { username: sub, uid: 'uid-1', groups: ['system:serviceaccounts'] }
        response.setHeader('content-type', 'application/json')
        response.statusCode = 201
        response.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status: { authenticated: true, user } }))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return { url: `http://127.0.0.1:${port}`, asked, [Symbol.asyncDispose]: async () => void server.close() }
    }
    const serviceAccount = (name: string): string => {
      const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const now = Math.floor(Date.now() / 1000)
      const about = { namespace: 'ci', serviceaccount: { name, uid: 'uid-1' } }
      const claims = {
        iss: 'kubernetes',
        sub: `system:serviceaccount:ci:${name}`,
        iat: now,
        nbf: now,
        exp: now + 600,
        'kubernetes.io': about,
      }
      const content = `${encode({ alg: 'RS256', kid: 'k' })}.${encode(claims)}`
      return `${content}.${sign('sha256', Buffer.from(content), privateKey).toString('base64url')}`
    }

    it('is that of its service account, and of no other', async () => {
      await using api = await reviewer()
      await bao.admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' })
      await bao.admin('POST', 'auth/kubernetes/config', {
        kubernetes_host: api.url,
        token_reviewer_jwt: serviceAccount('reviewer'),
        kubernetes_ca_cert: readFileSync(bao.authority ?? '', 'utf8'),
        disable_local_ca_jwt: true,
      })
      await bao.admin('POST', 'auth/kubernetes/role/sallyport', {
        bound_service_account_names: 'broker',
        bound_service_account_namespaces: 'ci',
        token_policies: 'sallyport',
        token_ttl: '10m',
      })
      const login = (name: string): Promise<SecretProvider> => {
        const auth = { method: 'kubernetes', role: 'sallyport', token: bao.file(`service-account-${name}`, serviceAccount(name)) }
        return vaultProvider(bao, { auth, 'token-role': 'sallyport-job', mounts })
      }
      await using provider = await login('broker')
      const { session } = await open(provider)
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      await session.end(signal())
      assert.ok(api.asked.length > 0 && api.asked.every((path) => path === '/apis/authentication.k8s.io/v1/tokenreviews'))
      await using other = await login('somebody')
      await assert.rejects(open(other), hasCode('PROVIDER_LOGIN_REFUSED'))
    })
  })

  describe('a generic engine', () => {
    it('is read as it is, whatever its fields are called', async () => {
      await bao.admin('POST', 'sys/mounts/totp', { type: 'totp' })
      const url = 'otpauth://totp/Test:ci?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Test'
      await bao.admin('POST', 'totp/keys/ci', { url })
      await bao.policy('totp', { 'totp/code/*': ['read'] })
      await bao.policy('broker-of-totp', {
        'auth/token/create': ['update', 'sudo'],
        'auth/token/revoke-accessor': ['update'],
        'totp/code/*': ['read'],
      })
      const settings = { mounts: { totp: { engine: 'generic', 'lives-on': '1m' } }, 'job-policies': ['totp'] }
      const token = bao.file('token-of-totp', await brokerToken({ policies: ['broker-of-totp', 'totp'] }))
      await using provider = await vaultProvider(bao, { auth: { method: 'token', token }, ...settings })
      const { session } = await open(provider)
      assert.match((await readText(session, at('totp/code/ci', { field: 'code' })))['code'] ?? '', /^\d{6}$/)
      await assert.rejects(session.read(at('totp/keys/ci'), signal()), hasCode('PROVIDER_DENIED'))
      await session.end(signal())
    })
  })

  describe('a job that logs in as itself', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwt = (claims: object): string => {
      const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const now = Math.floor(Date.now() / 1000)
      const all = { iss: 'https://issuer.example.test', aud: 'openbao', sub: 'repo:acme/widgets', iat: now, exp: now + 300, ...claims }
      const content = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(all)}`
      return `${content}.${sign('sha256', Buffer.from(content), privateKey).toString('base64url')}`
    }
    before(async () => {
      await bao.admin('POST', 'sys/auth/jwt', { type: 'jwt' })
      const pem = publicKey.export({ type: 'spki', format: 'pem' })
      await bao.admin('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem], bound_issuer: 'https://issuer.example.test' })
      const role = { role_type: 'jwt', bound_audiences: ['openbao'], user_claim: 'sub', token_policies: ['job', 'default'] }
      await bao.admin('POST', 'auth/jwt/role/ci', {
        ...role,
        bound_claims: { ref: 'refs/heads/main' },
        token_ttl: '3s',
        token_max_ttl: '10m',
      })
      await bao.admin('POST', 'auth/jwt/role/long', { ...role, token_ttl: '2h' })
    })

    it('reads what its claims let it, and its token is renewed while the job lasts', async () => {
      await using provider = await withToken({ 'job-login': { role: 'ci' } })
      const { session, handle } = await open(provider, { token: jwt({ ref: 'refs/heads/main' }) })
      await new Promise((resolve) => setTimeout(resolve, 6000))
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'kept in version 2' })
      await session.end(signal())
      assert.notEqual((await bao.raw('POST', 'auth/token/lookup-accessor', { accessor: handle })).status, 200)
    })

    it('is refused with other claims, without a token, and with a role whose tokens outlive the job', async () => {
      await using provider = await withToken({ 'job-login': { role: 'ci' } })
      await assert.rejects(open(provider, { token: jwt({ ref: 'refs/heads/evil' }) }), hasCode('PROVIDER_LOGIN_REFUSED'))
      await assert.rejects(open(provider), hasCode('PROVIDER_CONFIG_INVALID'))
      await using long = await withToken({ 'job-login': { role: 'long' } })
      await assert.rejects(open(long, { token: jwt({ ref: 'refs/heads/main' }) }), hasCode('PROVIDER_CONFIG_INVALID'))
    })

    it('may be the broker itself, with a token from a file', async () => {
      await bao.admin('POST', 'auth/jwt/role/broker', {
        role_type: 'jwt',
        bound_audiences: ['openbao'],
        user_claim: 'sub',
        token_policies: ['sallyport'],
        token_ttl: '10m',
      })
      const auth = { method: 'jwt', role: 'broker', token: bao.file('jwt', jwt({})) }
      await using provider = await vaultProvider(bao, { auth, 'token-role': 'sallyport-job', mounts })
      assert.deepEqual(await readText((await open(provider)).session, at('kv/ci/token')), { value: 'kept in version 2' })
    })
  })

  describe('a certificate', () => {
    before(async () => {
      await bao.admin('POST', 'sys/mounts/pki', { type: 'pki' })
      await bao.admin('POST', 'pki/root/generate/internal', { common_name: 'Test', key_type: 'ec', ttl: '24h' })
      const role = { allowed_domains: 'example.test', allow_subdomains: true, key_type: 'ec', max_ttl: '1h' }
      await bao.admin('POST', 'pki/roles/leased', { ...role, generate_lease: true })
      await bao.admin('POST', 'pki/roles/unleased', { ...role, generate_lease: false })
    })
    const request = (role: string): SecretAddress =>
      at(`pki/issue/${role}`, { field: 'private_key', parameters: { common_name: 'ci.example.test', ttl: '2m' } })

    it('is as short as was asked for, and is revoked with its session', async () => {
      await using provider = await withToken({ mounts: { pki: { engine: 'pki' } } })
      const { session } = await open(provider)
      const fields = await readText(session, request('leased'))
      const certificate = new X509Certificate(fields['certificate'] ?? '')
      assert.equal(certificate.subject, 'CN=ci.example.test')
      assert.ok(Date.parse(certificate.validTo) <= Date.now() + 125_000)
      assert.match(fields['private_key'] ?? '', /^-----BEGIN EC PRIVATE KEY-----/)
      await session.end(signal())
      const { revocation_time: revokedAt } = (await bao.admin('GET', `pki/cert/${fields['serial_number']}`)).data
      assert.ok(revokedAt > 0)
    })

    it('without a lease is refused, unless the settings say how long it may live on', async () => {
      await using strict = await withToken({ mounts: { pki: { engine: 'pki' } } })
      await assert.rejects((await open(strict)).session.read(request('unleased'), signal()), hasCode('PROVIDER_CONFIG_INVALID'))
      await using lax = await withToken({ mounts: { pki: { engine: 'pki', 'lives-on': '3m' } } })
      assert.deepEqual(lax.ending, { kind: 'expires', ttlMs: 180_000 })
      const { session } = await open(lax)
      const { lease } = await session.read(request('unleased'), signal())
      assert.ok(lease !== null && lease.expiresAtMs <= Date.now() + 125_000)
      await assert.rejects(session.revoke(lease, signal()), hasCode('LEASE_NOT_REVOKED'))
      await session.end(signal())
    })
  })

  describe('an SSH credential', () => {
    before(async () => {
      await bao.admin('POST', 'sys/mounts/ssh', { type: 'ssh' })
      await bao.admin('POST', 'ssh/config/ca', { generate_signing_key: true, key_type: 'ed25519' })
      await bao.admin('POST', 'ssh/roles/otp', { key_type: 'otp', default_user: 'deploy', cidr_list: '127.0.0.0/8' })
      const role = { key_type: 'ca', allow_user_certificates: true, allowed_users: 'deploy', default_user: 'deploy', max_ttl: '1h' }
      await bao.admin('POST', 'ssh/roles/deploy', { ...role, default_extensions: { 'permit-pty': '' } })
    })

    it('for one login is good once, and for nobody after its session', async () => {
      await using provider = await withToken({ mounts: { ssh: { engine: 'ssh' } } })
      const { session } = await open(provider)
      const read = (): Promise<Readonly<Record<string, string>>> =>
        readText(session, at('ssh/creds/otp', { field: 'key', parameters: { ip: '127.0.0.1', username: 'deploy' } }))
      const [used, unused] = [await read(), await read()]
      assert.equal((await bao.admin('POST', 'ssh/verify', { otp: used['key'] })).data.username, 'deploy')
      await session.end(signal())
      assert.equal((await bao.raw('POST', 'ssh/verify', { otp: unused['key'] })).status, 400)
    })

    it('is a certificate for the key that is asked with, or for a new one, and lives no longer than the settings say', async () => {
      const directory = bao.file('unused', '').replace(/unused$/, '')
      const name = `${directory}id`
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', name])
      await using provider = await withToken({ mounts: { ssh: { engine: 'ssh', 'lives-on': '3m' } } })
      const { session } = await open(provider)
      const parameters = { public_key: readFileSync(`${name}.pub`, 'utf8'), ttl: '30m' }
      const signed = await session.read(at('ssh/sign/deploy', { field: 'signed_key', parameters }), signal())
      const certificate = bao.file('id-cert.pub', Buffer.from(signed.fields.get('signed_key') ?? []).toString('utf8'))
      const described = execFileSync('ssh-keygen', ['-L', '-f', certificate], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } })
      const [, end = ''] = /to (\S+)/.exec(described) ?? []
      assert.ok(Date.parse(`${end}Z`) <= Date.now() + 181_000, described)
      assert.ok((signed.lease?.expiresAtMs ?? Number.POSITIVE_INFINITY) <= Date.now() + 181_000)
      const issued = await readText(session, at('ssh/issue/deploy', { field: 'private_key', parameters: { key_type: 'ed25519' } }))
      assert.match(issued['private_key'] ?? '', /PRIVATE KEY/)
      await session.end(signal())
    })
  })

  describe('an account of a database', () => {
    it('whose database is away is said to live on, and until when', async () => {
      await using postgres = await Postgres.start()
      await bao.admin('POST', 'sys/mounts/away', { type: 'database' })
      const { user: username, password } = postgres.administrator
      const connection = `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`
      await bao.admin('POST', 'away/config/main', {
        plugin_name: 'postgresql-database-plugin',
        allowed_roles: 'ci',
        connection_url: connection,
        username,
        password,
      })
      const statements = `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}'`
      await bao.admin('POST', 'away/roles/ci', { db_name: 'main', creation_statements: statements, default_ttl: '2m' })
      await bao.policy('job', { 'kv/data/ci/*': ['read'], 'old/ci/*': ['read'], 'away/creds/ci': ['read'] })
      await using provider = await withToken({ mounts: { away: { engine: 'database' } } })
      const { session } = await open(provider)
      const { lease } = await session.read(at('away/creds/ci', { field: 'password' }), signal())
      await assert.rejects(session.read(at('away/creds/other', { field: 'password' }), signal()), hasCode('PROVIDER_DENIED'))
      assert.ok(lease !== null)
      await postgres.stop()
      await assert.rejects(session.revoke(lease, signal()), hasCode('LEASE_NOT_REVOKED'))
      await assert.rejects(session.end(signal()), hasCode('LEASE_NOT_REVOKED'))
    })
  })

  describe('a namespace', () => {
    it('has its own secrets and logins', async () => {
      await bao.admin('POST', 'sys/namespaces/team-a', {})
      const inside = { 'x-vault-namespace': 'team-a' }
      await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } }, inside)
      await bao.admin('POST', 'kv/data/ci/token', { data: { value: 'of team a' } }, inside)
      const policy = 'path "kv/data/ci/*" { capabilities = ["read"] }\npath "auth/token/*" { capabilities = ["update"] }'
      await bao.admin('POST', 'sys/policies/acl/team', { policy }, inside)
      const { client_token: token } = (await bao.admin('POST', 'auth/token/create', { policies: ['team'], period: '10m' }, inside)).auth
      const auth = { method: 'token', token: bao.file('team-token', token) }
      await using provider = await vaultProvider(bao, { auth, namespace: 'team-a', mounts })
      const { session } = await open(provider)
      assert.deepEqual(await readText(session, at('kv/ci/token')), { value: 'of team a' })
      await session.end(signal())
      await using outside = await vaultProvider(bao, { auth, mounts })
      await assert.rejects(open(outside).then(({ session: other }) => other.read(at('kv/ci/token'), signal())))
    })
  })

  describe('the audit device', () => {
    it('shows each read of ours as ours, and one that went around us as such', async () => {
      await bao.admin('POST', 'kv/data/ci/watched', { data: { value: 'watched' } })
      const token = bao.file('audit-token', await brokerToken())
      const description = {
        address: bao.address,
        ca: bao.authority ?? '',
        auth: { method: 'token', token },
        'token-role': 'sallyport-job',
        mounts,
      }
      await using provider = await vaultProvider(bao, description)
      const { session, handle } = await open(provider)
      await readText(session, at('kv/ci/watched'))
      await readText(session, at('kv/ci/watched'))
      await session.end(signal())
      await bao.admin('GET', 'kv/data/ci/watched')
      await bao.raw('GET', 'kv/data/ci/watched', null, { 'x-vault-token': 'a-guess' })
      const [hash = ''] = (await provider.hashMarks?.('main', [handle], signal())) ?? []
      assert.match(hash, /^hmac-sha256:/)
      const reader = managerLogOf({ name: 'openbao', kind: 'vault', settings: description }).open()
      const entries = [...reader.read(readFileSync(bao.auditLog))]
      assert.deepEqual(
        entries.filter(({ kind }) => kind === 'gap' || kind === 'unreadable'),
        [],
      )
      const reads = entries.flatMap((entry) => (entry.kind === 'read' && entry.read.paths.includes('kv/ci/watched') ? [entry.read] : []))
      assert.deepEqual(
        reads.map(({ mark, name }) => [mark === hash, name]),
        [
          [true, 'token-sallyport-build'],
          [true, 'token-sallyport-build'],
          [false, 'root'],
        ],
      )
    })

    it('never held a token or a value', () => {
      const log = readFileSync(bao.auditLog, 'utf8')
      assert.ok(log.includes('kv/data/ci/token'))
      for (const secret of [bao.rootToken, 'kept in version 2']) assert.ok(!log.includes(secret))
    })
  })
})

describe('OpenBao that keeps nothing', { timeout: 60_000 }, () => {
  it('serves this machine in the clear', async () => {
    await using bao = await OpenBao.start({ mode: 'dev' })
    await bao.admin('POST', 'secret/data/ci/token', { data: { value: 'of a moment' } })
    const auth = { method: 'token', token: bao.file('token', bao.rootToken) }
    await using provider = await vaultProvider(bao, { auth, mounts: { secret: { engine: 'kv' } } })
    const { session } = await open(provider)
    assert.deepEqual(await readText(session, at('secret/ci/token')), { value: 'of a moment' })
    await session.end(signal())
  })
})
