// SPDX-License-Identifier: Apache-2.0
// A workflow whose step gets an account of a real PostgreSQL, made by a real OpenBao for it: what lives while it runs, and what after it, however it ends.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openBaoProgram } from '../../scripts/servers/openbao.ts'
import { World } from '../_world.ts'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/secrets-openbao.md'), 'utf8')
const commands = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)

const world = new World()
let bao: OpenBao
let postgres: Postgres
let config: string

before(async () => {
  bao = await OpenBao.start({ mode: 'dev' })
  postgres = await Postgres.start()
  const { user, password } = postgres.administrator
  const env = {
    PATH: `${dirname(openBaoProgram() ?? '')}:${process.env['PATH']}`,
    HOME: world.directory,
    BAO_ADDR: bao.address,
    BAO_TOKEN: bao.rootToken,
    DATABASE: `127.0.0.1:${postgres.port}`,
    DATABASE_USER: user,
    DATABASE_PASSWORD: password,
  }
  for (const block of commands) execFileSync('bash', ['-euc', block], { cwd: world.directory, env, stdio: ['ignore', 'ignore', 'inherit'] })
  // Each run has a broker of its own: a secret ID that opens once is for one that stays.
  const { secret_id: secretId } = (await bao.admin('POST', 'auth/approle/role/sallyport/secret-id')).data
  const file = join(world.directory, 'secret-id-of-runs')
  writeFileSync(file, secretId, { mode: 0o600 })
  config = join(world.directory, 'operator.yml')
  const roleId = readFileSync(join(world.directory, 'role-id'), 'utf8').trim()
  writeFileSync(
    config,
    `version: 1
hostLogs: off
providers:
  openbao:
    kind: vault
    address: ${bao.address}
    auth: { method: approle, role-id: ${roleId}, secret-id: ${file} }
    token-role: sallyport-job
    mounts: { kv: { engine: kv }, database: { engine: database } }
secrets:
  allow: [{ from: openbao, paths: [kv/ci/**, database/creds/ci] }]
`,
  )
})
after(async () => {
  await bao?.[Symbol.asyncDispose]()
  await postgres?.[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const repository = (script: string): string =>
  world.workflow(
    `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - id: migrate
        env: { PGPASSFILE: '\${{ secrets.DB }}', TOKEN: '\${{ secrets.TOKEN }}' }
        run: |
          test -s "$PGPASSFILE" && test "$TOKEN" != ""
          ${script}
`,
    {
      'sallyport.yml': `version: 1
jobs: { build: { steps: { migrate: { secrets: { DB: { deliver: file }, TOKEN: { deliver: env } } } } } }
secrets:
  DB: { from: openbao, path: 'database/creds/ci#password' }
  TOKEN: { from: openbao, path: 'kv/ci/packages#token' }
`,
    },
  )

/** Accounts that OpenBao has made. */
function accounts(): number {
  return Number(postgres.query(postgres.administrator, "select count(*) from pg_roles where rolname like 'v-%'"))
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (holds()) return
    await sleep(100)
  }
  assert.fail(`${what} did not come about within 30 s; ${accounts()} accounts`)
}

const leases = (): readonly string[] => readdirSync(join(world.state, 'leases'))

test('an account lives as long as its step', async () => {
  const running = world.start(['run', '--state', world.state, '--config', config, '--json'], { cwd: repository('sleep 2') })
  await until('an account', () => accounts() === 1)
  const run = world.parse(await running.result)
  assert.equal(run.exitCode, 0, run.why)
  assert.equal(accounts(), 0)
  assert.deepEqual(leases(), [])
  const types = run.events
    .filter(({ type }) => type.startsWith('secret.') && type !== 'secret.finding')
    .map(({ type, data }) => `${type} ${data['name'] ?? data['count'] ?? data['job']}`)
  const expected = [
    'secret.granted DB',
    'secret.granted TOKEN',
    'secret.read DB',
    'secret.read TOKEN',
    'secret.revoked 1',
    'secret.session build',
  ]
  assert.deepEqual(types.sort(), expected)
  assert.ok(!run.stdout.includes('a-long-lived-token'))
})

test('when the supervisor is killed, its broker ends what it made', async () => {
  const running = world.start(['run', '--state', world.state, '--config', config, '--json'], { cwd: repository('sleep 20') })
  await until('an account', () => accounts() === 1)
  process.kill(running.pid, 'SIGKILL')
  await running.result
  await until('the end of the account', () => accounts() === 0 && leases().length === 0)
})

/** Everything of a run at once, as when the machine is reset; its account and lease stay. */
async function killAll(): Promise<void> {
  const running = world.start(['run', '--state', world.state, '--config', config, '--json'], { cwd: repository('sleep 20') })
  await until('an account', () => accounts() === 1)
  const brokers = world.marker
    .pids()
    .filter((pid) => /broker\.cjs|secrets\/src\/main\.ts/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')))
  assert.equal(brokers.length, 1)
  process.kill(brokers[0] ?? -1, 'SIGKILL')
  process.kill(running.pid, 'SIGKILL')
  await running.result
  assert.deepEqual([accounts(), leases().length], [1, 1])
}

test('when the broker is killed with it, the next run ends what it made', async () => {
  await killAll()
  const quiet = world.workflow('on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: "true" }] } }\n')
  const next = await world.runJson(quiet, ['--config', config])
  assert.equal(next.exitCode, 0, next.why)
  await until('the end of the account', () => accounts() === 0)
  assert.deepEqual(leases(), [])
})

test('the next exec does, too', async () => {
  await killAll()
  const ran = await world.start(['exec', '--state', world.state, '--config', config, '--', 'true'], { cwd: world.repository({ a: 'a' }) })
    .result
  assert.equal(ran.exitCode, 0, ran.stderr)
  await until('the end of the account', () => accounts() === 0)
  assert.deepEqual(leases(), [])
})

test('what the broker may not read, and what the ceiling does not allow, is said by name', async () => {
  const denied = repository('true')
  const file = join(denied, 'sallyport.yml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('kv/ci/packages#token', 'kv/prod/root#token'))
  execFileSync('git', ['-C', denied, '-c', 'user.name=t', '-c', 'user.email=t@example.test', 'commit', '-qam', 'more'])
  const run = await world.runJson(denied, ['--config', config])
  assert.match(JSON.stringify(run.document.refusals), /does not let this repository read openbao:kv\/prod\/root/)
  assert.equal(accounts(), 0)
})
