// SPDX-License-Identifier: Apache-2.0
// A real OpenBao that trusts our issuer, by discovery: the broker logs in as the job that asks, and the server's own rules decide.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ask } from '@sallyport/http'
import { git, type JsonRun, type Running, World } from '../_world.ts'
import { OpenBao } from './_openbao.ts'
import { freePort, until } from './_unprivileged.ts'

const AUDIENCE = 'https://vault.example.test'
const SUBJECT = 'repo:acme/app:ref:refs/heads/main'
const VALUE = 'correct horse battery staple 9'

const world = new World()
let bao: OpenBao
let issuer: string
let serving: Running

before(async () => {
  bao = await OpenBao.start({ mode: 'dev' })
  issuer = `http://127.0.0.1:${await freePort()}`
  serving = world.start(['identity', 'serve', '--state', world.state, '--listen', new URL(issuer).host, '--issuer', issuer])
  await until('the issuer answers', () =>
    ask({ method: 'GET', url: `${issuer}/jwks`, headers: {}, body: null, timeoutMs: 5000, answerBytesMax: 65_536 }).then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
  await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
  await bao.admin('POST', 'kv/data/ci/token', { data: { value: VALUE } })
  await bao.policy('job', { 'kv/data/ci/*': ['read'] })
  await bao.policy('sallyport', { 'auth/token/lookup-accessor': ['update'], 'auth/token/revoke-accessor': ['update'] })
  await bao.admin('POST', 'sys/auth/jwt', { type: 'jwt' })
  await bao.admin('POST', 'auth/jwt/config', { oidc_discovery_url: issuer, bound_issuer: issuer })
  await bao.admin('POST', 'auth/jwt/role/ci', {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: [AUDIENCE],
    bound_claims: { sub: SUBJECT, step: 'publish', self_check: 'passed' },
    token_policies: ['job', 'default'],
    token_ttl: '30s',
    token_max_ttl: '10m',
  })
})
after(async () => {
  serving?.child.kill()
  await serving?.result
  await bao?.[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

async function run({ branch = 'main', audience = AUDIENCE, settings = '' } = {}): Promise<JsonRun> {
  const workflow = `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - id: publish
        run: echo "it is $TOKEN"; test "$TOKEN" = '${VALUE}'
`
  const file = `version: 1
jobs: { build: { steps: { publish: { secrets: { TOKEN: { deliver: env, as: TOKEN } } } } } }
secrets: { TOKEN: { from: openbao, path: 'kv/ci/token#value' } }
`
  const repository = world.workflow(workflow, { 'sallyport.yml': file })
  git(repository, 'remote', 'add', 'origin', 'https://git.example.test/acme/app.git')
  if (branch !== 'main') git(repository, 'checkout', '-q', '-b', branch)
  const { client_token: token } = (await bao.admin('POST', 'auth/token/create', { policies: ['sallyport'], period: '10m' })).auth
  const operator = join(world.directory, 'operator.yml')
  writeFileSync(
    operator,
    `version: 1
identity: { issuer: '${issuer}' }
providers:
  openbao:
    kind: vault
    address: '${bao.address}'
    auth: { method: token, token: '${bao.file('token', token)}' }
    audience: '${audience}'
    mounts: { kv: { engine: kv } }
    ${settings === '' ? 'job-login: { role: ci }' : settings}
`,
  )
  return world.runJson(repository, ['--config', operator])
}

test('the broker shows OpenBao who the job is, and the server lets it read', async () => {
  const ran = await run()
  assert.equal(ran.exitCode, 0, ran.why)
  assert.equal(ran.output('build', '1'), 'it is ***\n')
  const of = (type: string): number => ran.events.findIndex((event) => event.type === type)
  const minted = ran.events[of('identity.minted')]
  assert.deepEqual(
    { step: minted?.step, as: minted?.data['as'], provider: minted?.data['provider'], audience: minted?.data['audience'] },
    { step: '1', as: 'provider', provider: 'openbao', audience: AUDIENCE },
  )
  assert.equal(minted?.data['subject'], SUBJECT)
  assert.ok(of('identity.minted') < of('secret.read'))
  assert.equal(ran.events.filter(({ type }) => type === 'identity.minted').length, 1)
})

test('another branch has another subject, another audience is for somebody else: the server refuses both', async () => {
  for (const changes of [{ branch: 'evil' }, { audience: 'https://other.example.test' }]) {
    const ran = await run(changes)
    assert.notEqual(ran.exitCode, 0)
    const failed = ran.events.find(({ type }) => type === 'secret.failed')
    assert.equal(failed?.data['code'], 'PROVIDER_LOGIN_REFUSED', ran.why)
    assert.ok(!ran.events.some(({ type }) => type === 'secret.read'))
  }
})

test('an audience of a provider that no job logs in to is a mistake of the operator', async () => {
  const ran = await run({ settings: "token-role: 'sallyport-job'" })
  assert.equal(ran.exitCode, 2, ran.why)
  assert.match(ran.why + ran.stderr, /audience.*is for jobs that log in themselves/)
})
