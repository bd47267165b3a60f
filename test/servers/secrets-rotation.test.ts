// SPDX-License-Identifier: Apache-2.0
// Secrets at managers, rotated from the command line: a static role of a real OpenBao on a real PostgreSQL, an entry of KV by a hook that is killed,
// and Secrets Manager as moto emulates it.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Running, World } from '../_world.ts'
import { addDatabaseEngine } from './_database-engine.ts'
import { Moto } from './_moto.ts'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'

const world = new World()
const config = join(world.directory, 'operator.yml')

function rotate(words: readonly string[]): Promise<Awaited<Running['result']>> {
  return world.run(['secrets', 'rotate', ...words, '--config', config, '--json'])
}

async function rotated(words: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await rotate(words)
  assert.equal(exitCode, 0, stdout + stderr)
  return JSON.parse(stdout)
}

/** A hook that makes a value, and is killed with whoever called it where the file `kill-PHASE` lies beside it. */
function makeHook(value: string): string {
  const path = join(world.directory, `hook-${value}`)
  writeFileSync(
    path,
    `#!/bin/sh
if [ -e "$0.kill-$1" ]; then rm "$0.kill-$1"; kill -9 "$PPID"; exit 1; fi
echo "$1" >> "$0.said"
[ "$1" != create ] || echo ${value}
`,
  )
  chmodSync(path, 0o755)
  return path
}

after(() => world[Symbol.asyncDispose]())

describe('at OpenBao', () => {
  let bao: OpenBao
  let postgres: Postgres

  before(async () => {
    bao = await OpenBao.start({ mode: 'kept' })
    postgres = await Postgres.start()
    await addDatabaseEngine(bao, postgres)
    await bao.admin('POST', 'database/config/main', { allowed_roles: 'ci,app' })
    postgres.query(postgres.administrator, "create role app with login password 'the-first-one'")
    await bao.admin('POST', 'database/static-roles/app', { db_name: 'main', username: 'app', rotation_period: '24h' })
    await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
    await bao.admin('POST', 'kv/data/ci/token', { data: { token: 'old-token', count: 3 } })
    await bao.policy('sallyport', {
      'auth/token/create': ['update'],
      'auth/token/revoke-accessor': ['update'],
      'sys/audit-hash/main': ['update'],
      'kv/data/ci/*': ['read', 'update'],
      'kv/metadata/ci/*': ['read'],
      'database/static-roles/app': ['read'],
      'database/rotate-role/app': ['update'],
    })
    const { auth } = await bao.admin('POST', 'auth/token/create', { policies: ['sallyport'], period: '30m' })
    writeFileSync(
      config,
      `version: 1
hostLogs: off
providers:
  openbao:
    kind: vault
    address: ${bao.address}
    ca: ${bao.authority}
    auth: { method: token, token: ${bao.file('broker-token', auth.client_token)} }
    mounts: { kv: { engine: kv }, database: { engine: database } }
rotation:
  - { from: openbao, path: database/static-creds/app, every: 30d }
`,
    )
  })
  after(async () => {
    await postgres?.[Symbol.asyncDispose]()
    await bao?.[Symbol.asyncDispose]()
  })

  let readsAround = 0
  const readAround = async (path: string): Promise<ReturnType<typeof JSON.parse>> => {
    readsAround += 1
    return (await bao.admin('GET', path)).data
  }
  const password = async (): Promise<string> => (await readAround('database/static-creds/app')).password
  const entry = async (): Promise<{ data: object; metadata: { version: number } }> => readAround('kv/data/ci/token')

  test("the database's password works until its static role is rotated, and the new one from then on", async () => {
    const before = await password()
    assert.equal(postgres.letsIn({ user: 'app', password: before }), true)
    await rotated(['openbao:database/static-creds/app'])
    const now = await password()
    assert.notEqual(now, before)
    assert.deepEqual(
      [before, now].map((each) => postgres.letsIn({ user: 'app', password: each })),
      [false, true],
    )
    const { stdout } = await world.run(['audit', 'show', '--type', 'secret.rotation', '--json'])
    assert.match(stdout, /"phase":"manager"[\s\S]*"phase":"ended"/)
    assert.ok(!stdout.includes(now) && !stdout.includes(before))
  })

  test('an entry of KV is replaced by a hook, in its one field, as a version of its own', async () => {
    const hook = makeHook('second-token')
    const outcome = await rotated(['openbao:kv/ci/token#token', '--hook', hook])
    assert.deepEqual(outcome, { name: 'openbao:kv/ci/token#token', version: '2', isResumed: false })
    assert.deepEqual((await entry()).data, { token: 'second-token', count: 3 })
  })

  test('what was killed between its phases is ended by the next call, and the old value stays until the new one works', async () => {
    for (const [index, phase] of ['create', 'test', 'retire'].entries()) {
      const value = `token-after-${phase}`
      const hook = makeHook(value)
      const { data } = await entry()
      writeFileSync(`${hook}.kill-${phase}`, '')
      assert.notEqual((await rotate(['openbao:kv/ci/token#token', '--hook', hook])).exitCode, 0)
      assert.ok(!existsSync(`${hook}.kill-${phase}`))
      assert.deepEqual((await entry()).data, phase === 'retire' ? { token: value, count: 3 } : data)
      const outcome = await rotated(['openbao:kv/ci/token#token'])
      assert.deepEqual(outcome, { name: 'openbao:kv/ci/token#token', version: String(3 + index), isResumed: true })
      assert.deepEqual((await entry()).data, { token: value, count: 3 })
    }
    assert.deepEqual(
      readdirSync(join(world.state, 'rotations')).filter((name) => !name.endsWith('.lock')),
      [],
    )
  })

  test("the server's own audit log shows nothing that went around the broker", async () => {
    const words = ['--provider', 'openbao', '--manager-log', bao.auditLog, '--device', 'main', '--all', '--json', '--config', config]
    const { stdout, stderr } = await world.run(['secrets', 'audit', ...words])
    const lines = stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { finding?: { rule: string; path: string } }]))
    const rules = lines.flatMap(({ finding }) => finding?.rule ?? [])
    // Each read of this test itself, with the root token, and no other
    assert.deepEqual(rules, Array(readsAround).fill('read-around-broker'), stdout + stderr)
  })

  test('what may not be rotated is refused, and nothing of it is left', async () => {
    assert.match((await rotate(['openbao:kv/ci/none#token', '--generate', '20'])).stderr, /SECRET_NOT_FOUND/)
    assert.match((await rotate(['openbao:database/creds/ci'])).stderr, /ROTATION_FAILED/)
    assert.match((await rotate(['openbao:kv/ci/token#token'])).stderr, /ROTATION_FAILED[\s\S]*--hook/)
    assert.match((await rotate(['nowhere:kv/ci/token'])).stderr, /SECRET_PROVIDER_UNKNOWN/)
    const due = await world.run(['secrets', 'rotate', '--due', '--config', config])
    assert.match(due.stderr, /SECRET_STORE_MISSING|nothing is due/)
  })
})

test('at Secrets Manager its own rotation is waited for, and a hook writes a version', { timeout: 300_000 }, async () => {
  await using moto = await Moto.start()
  await moto.iam({ Action: 'CreateRole', RoleName: 'ci', AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}' })
  const credentials = moto.file('credentials')
  writeFileSync(credentials, '[default]\naws_access_key_id = AKIAEXAMPLEEXAMPLE00\naws_secret_access_key = not-checked-by-moto\n')
  writeFileSync(
    config,
    `version: 1
hostLogs: off
providers:
  aws:
    kind: aws
    region: eu-central-1
    endpoints: { sts: '${moto.address}', secretsmanager: '${moto.address}' }
    auth: { method: credentials-file, credentials: ${credentials}, role: 'arn:aws:iam::123456789012:role/ci' }
`,
  )
  for (const name of ['ci/own', 'ci/hooked'])
    await moto.secrets('CreateSecret', { Name: name, SecretString: '{"token":"old","user":"ci"}' })
  await moto.secrets('RotateSecret', { SecretId: 'ci/own', RotationRules: { AutomaticallyAfterDays: 30 } })
  await moto.secrets('PutSecretValue', { SecretId: 'ci/own', SecretString: '{"token":"old"}' })
  const { VersionId: before } = await moto.secrets('GetSecretValue', { SecretId: 'ci/own' })
  const { version } = (await rotated(['aws:ci/own'])) as { version: string }
  assert.notEqual(version, before)
  const { Versions: versions } = await moto.secrets('ListSecretVersionIds', { SecretId: 'ci/own' })
  const current = (versions as { VersionId: string; VersionStages: string[] }[]).filter(({ VersionStages }) =>
    VersionStages.includes('AWSCURRENT'),
  )
  assert.deepEqual(
    current.map(({ VersionId }) => VersionId),
    [version],
  )
  const hook = makeHook('aws-token')
  await rotated(['aws:ci/hooked#token', '--hook', hook])
  const { SecretString: text } = await moto.secrets('GetSecretValue', { SecretId: 'ci/hooked' })
  assert.deepEqual(JSON.parse(String(text)), { token: 'aws-token', user: 'ci' })
  const { SecretString: previous } = await moto.secrets('GetSecretValue', { SecretId: 'ci/hooked', VersionStage: 'AWSPREVIOUS' })
  assert.match(String(previous), /"old"/)
  rmSync(hook)
})
