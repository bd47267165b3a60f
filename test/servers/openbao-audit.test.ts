// SPDX-License-Identifier: Apache-2.0
// A real OpenBao's own audit log beside ours: what somebody reads there without us is found, and nothing else is told.
import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { type Running, until, World } from '../_world.ts'
import { OpenBao } from './_openbao.ts'

interface Told {
  readonly exitCode: number | null
  readonly findings: readonly {
    readonly rule: string
    readonly path: string | null
    readonly message: string
    readonly place: string | null
  }[]
  readonly report: { readonly reads: number; readonly ours: number; readonly known: number; readonly findings: number }
}

/** What clocks may differ by, and a second. */
const CLOCKS_MS = 6000

const world = new World()
let bao: OpenBao
let config: string

before(async () => {
  bao = await OpenBao.start({ mode: 'kept' })
  await bao.admin('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
  for (const name of ['token', 'other']) await bao.admin('POST', `kv/data/ci/${name}`, { data: { value: `value of ${name}` } })
  await bao.admin('POST', 'kv/data/people/diary', { data: { value: 'of nobody else' } })
  await bao.policy('job', { 'kv/data/ci/*': ['read'] })
  await bao.policy('sallyport', {
    'auth/token/create/sallyport-job': ['update'],
    'auth/token/revoke-accessor': ['update'],
    'sys/audit-hash/main': ['update'],
  })
  await bao.admin('POST', 'auth/token/roles/sallyport-job', { allowed_policies: 'job', orphan: false, renewable: false })
  const { auth } = await bao.admin('POST', 'auth/token/create', { policies: ['sallyport'], period: '30m' })
  config = join(world.directory, 'operator.yml')
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
    token-role: sallyport-job
    mounts: { kv: { engine: kv } }
secrets:
  allow: [{ from: openbao, paths: [kv/ci/**] }]
`,
  )
})
after(async () => {
  await bao?.[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const words = (logs: readonly string[], more: readonly string[] = []): readonly string[] => [
  'secrets',
  'audit',
  '--provider',
  'openbao',
  '--config',
  config,
  '--device',
  'main',
  '--json',
  ...logs.flatMap((log) => ['--manager-log', log]),
  ...more,
]

async function audit(logs: readonly string[] = [bao.auditLog], more: readonly string[] = []): Promise<Told> {
  return parse(await world.run(words(logs, more)))
}

function parse({ exitCode, stdout, stderr }: Awaited<Running['result']>): Told {
  const lines = stdout.split('\n').filter((line) => line !== '')
  const told = lines.map((line) => JSON.parse(line) as { finding?: Told['findings'][number]; report?: Told['report'] })
  return { exitCode, findings: told.flatMap(({ finding }) => finding ?? []), report: told.at(-1)?.report ?? assert.fail(stdout + stderr) }
}

async function runJob(): Promise<void> {
  const repository = world.workflow(
    `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps: [{ id: use, env: { TOKEN: '\${{ secrets.TOKEN }}' }, run: 'test "$TOKEN" != ""' }]
`,
    {
      'sallyport.yml': `version: 1
jobs: { build: { steps: { use: { secrets: { TOKEN: { deliver: env } } } } } }
secrets: { TOKEN: { from: openbao, path: 'kv/ci/token#value' } }
`,
    },
  )
  const run = await world.runJson(repository, ['--config', config])
  assert.equal(run.exitCode, 0, run.why)
}

/** With a token that is nobody's of ours, but may read. */
async function readAround(path: string): Promise<void> {
  const { auth } = await bao.admin('POST', 'auth/token/create', {
    policies: ['job'],
    display_name: 'sallyport-build',
    meta: { run: 'mine' },
  })
  await bao.admin('GET', path, null, { 'x-vault-token': auth.client_token })
}

const linesOf = (file: string): readonly string[] => readFileSync(file, 'utf8').split(/(?<=\n)/)

test('reads of jobs are theirs, with nothing to tell', async () => {
  await runJob()
  await bao.admin('GET', 'kv/data/people/diary', null)
  const told = await audit()
  assert.deepEqual([told.exitCode, told.findings, told.report.reads, told.report.ours], [0, [], 1, 1])
})

test('a read with another token is found, though it calls itself as a job of ours does', async () => {
  await readAround('kv/data/ci/token')
  const told = await audit()
  assert.equal(told.exitCode, 1)
  assert.deepEqual(
    told.findings.map(({ rule, path }) => [rule, path]),
    [['read-around-broker', 'kv/ci/token']],
  )
  assert.match(told.findings[0]?.message ?? '', /"token-sallyport-build" from 127\.0\.0\.1 read "kv\/ci\/token"/)
  assert.deepEqual([told.report.reads, told.report.ours], [2, 1])
})

test('so is one of a secret that jobs may have and none ever had; with --all, of any', async () => {
  await readAround('kv/data/ci/other')
  assert.deepEqual(
    (await audit()).findings.map(({ path }) => path),
    ['kv/ci/token', 'kv/ci/other'],
  )
  assert.deepEqual(
    (await audit([bao.auditLog], ['--all'])).findings.map(({ path }) => path),
    ['kv/people/diary', 'kv/ci/token', 'kv/ci/other'],
  )
})

test('what was found, and that it was looked for, is in the transparency log', async () => {
  const { stdout } = await world.run(['audit', 'show', '--type', 'secret.*', '--json'])
  const entries = stdout
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { entry: { type: string; data: object } }).entry]))
  const last = entries.slice(-5).map(({ type }) => type)
  assert.deepEqual(last, ['secret.manager-audit', ...Array.from({ length: 3 }, () => 'secret.finding'), 'secret.manager-audited'])
  const { stdout: sound, exitCode } = await world.run(['audit', 'verify'])
  assert.equal(exitCode, 0, sound)
})

test('a rotated, zipped log is read as one; what is left out of it is told', async () => {
  const began = Date.parse((JSON.parse(linesOf(bao.auditLog)[0] ?? '') as { time: string }).time)
  await sleep(Math.max(0, began + CLOCKS_MS - Date.now()))
  await runJob()
  await sleep(CLOCKS_MS)
  await bao.admin('GET', 'sys/mounts')
  const lines = linesOf(bao.auditLog)
  const middle = lines.length >> 1
  const [older, newer] = [join(world.directory, 'audit.log.1.gz'), join(world.directory, 'audit.log')]
  writeFileSync(older, gzipSync(lines.slice(0, middle).join('')))
  writeFileSync(newer, lines.slice(middle).join(''))
  const whole = await audit([older, newer])
  assert.deepEqual(
    whole.findings.map(({ rule }) => rule),
    ['read-around-broker', 'read-around-broker'],
  )
  const isOurRead = (line: string): boolean => line.includes('"path":"kv/data/ci/token"') && line.includes('"type":"response"')
  const last = lines.findLastIndex(isOurRead)
  const id = (JSON.parse(lines[last] ?? '') as { request: { id: string } }).request.id
  writeFileSync(newer, lines.filter((line) => !line.includes(id)).join(''))
  const cut = await audit([newer])
  assert.deepEqual(
    cut.findings.map(({ rule, path }) => [rule, path]),
    [
      ['read-around-broker', 'kv/ci/token'],
      ['read-around-broker', 'kv/ci/other'],
      ['read-not-shown', 'kv/ci/token'],
    ],
  )
  writeFileSync(older, gzipSync(lines.join('')).subarray(0, -20))
  assert.ok((await audit([older, newer])).findings.some(({ rule }) => rule === 'log-unreadable'))
})

test('followed, it tells of a read as it comes, through a rotation, and of one that a job makes meanwhile it does not', async () => {
  const log = join(world.directory, 'followed.log')
  copyFileSync(bao.auditLog, log)
  const since = new Date().toISOString()
  let copied = linesOf(bao.auditLog).length
  const copy = (): void => {
    const lines = linesOf(bao.auditLog).filter((line) => line.endsWith('\n'))
    appendFileSync(log, lines.slice(copied).join(''))
    copied = lines.length
  }
  const following = world.start([...words([log], ['--follow', '--since', since]), '--state', world.state])
  await runJob()
  await readAround('kv/data/ci/token')
  copy()
  await until('the first finding', () => following.output.stdout.includes('read-around-broker'), 60_000)
  writeFileSync(`${log}.new`, '')
  await readAround('kv/data/ci/other')
  renameSync(`${log}.new`, log)
  copy()
  await until('the second finding', () => following.output.stdout.includes('"kv/ci/other"'), 60_000)
  following.child.kill('SIGTERM')
  const told = parse(await following.result)
  assert.deepEqual(
    told.findings.map(({ rule, path }) => [rule, path]),
    [
      ['read-around-broker', 'kv/ci/token'],
      ['read-around-broker', 'kv/ci/other'],
    ],
  )
  assert.equal(told.report.ours, 1)
})

test('a broker that may not ask for hashes is refused: nothing is taken for ours by its name', async () => {
  await bao.policy('sallyport', { 'auth/token/create/sallyport-job': ['update'], 'auth/token/revoke-accessor': ['update'] })
  const { exitCode, stderr } = await world.run(words([bao.auditLog]))
  assert.notEqual(exitCode, 0)
  assert.match(stderr, /PROVIDER_DENIED/)
})
