// SPDX-License-Identifier: Apache-2.0
// What the broker adds to a secrets manager: a manager of a few lines of code answers at once, or after a while, on this machine.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerClient, startBroker } from '@sallyport/secrets'
import type { BenchRow } from './row.ts'

const READS = 500
const WARM_UP = 200
const LEASES = 100
/** What a manager across a network takes for a revocation, say. */
const REVOCATION_MS = 10
/** After so many leases the broker's memory is looked at. */
const LOOKS: readonly number[] = [2000, 5000, 10_000, 20_000, 50_000, 100_000]
/** Steps at a time, of which each has a lease made and ended. */
const STEPS_AT_ONCE = 50
const TOKEN = 'the-brokers-own'
const IDENTITY = { run: 'bench', job: 'build', repository: null, ref: null, token: null }
const DYNAMIC = { path: 'database/creds/ci', field: 'password', version: null, parameters: {} }
const STORED = { path: 'kv/ci/packages', field: 'token', version: null, parameters: {} }

export async function run(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-secrets-'))
  const manager = await startManager()
  try {
    writeFileSync(join(directory, 'token'), TOKEN, { mode: 0o600 })
    await using broker = await start(directory, manager)
    await broker.openJob('build', IDENTITY, 3_600_000)
    const rows = [...(await readRows(broker, manager)), await revocationRow(broker)]
    return [...rows, ...(await memoryRows(broker, directory))]
  } finally {
    manager.closeAllConnections()
    manager.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function start(directory: string, manager: Server): Promise<BrokerClient> {
  const settings = {
    address: addressOf(manager),
    auth: { method: 'token', token: join(directory, 'token') },
    mounts: { kv: { engine: 'kv', version: '1' }, database: { engine: 'database' } },
  }
  const providers = [{ name: 'vault', kind: 'vault', settings }] as const
  return startBroker({ providers, leaseDirectory: join(directory, 'leases'), run: 'bench' }, { event: () => undefined })
}

async function readRows(broker: BrokerClient, manager: Server): Promise<BenchRow[]> {
  const throughBroker = await timed(() => broker.read({ job: 'build', step: '1', provider: 'vault', address: STORED, token: null }))
  const direct = await timed(() => askDirectly(`${addressOf(manager)}/v1/kv/ci/packages`))
  const added = (part: number): number => quantile(throughBroker, part) - quantile(direct, part)
  return [
    { name: 'secret: read through the broker, p50', value: quantile(throughBroker, 0.5), unit: 'ms', note: 'the manager answers at once' },
    {
      name: 'secret: added by the broker, p50',
      value: added(0.5),
      unit: 'ms',
      note: 'over the same question asked directly; must be at most 5',
    },
    { name: 'secret: added by the broker, p99', value: added(0.99), unit: 'ms' },
  ]
}

async function revocationRow(broker: BrokerClient): Promise<BenchRow> {
  for (let count = 0; count < LEASES; count += 1)
    await broker.read({ job: 'build', step: 'many', provider: 'vault', address: DYNAMIC, token: null })
  const startMs = performance.now()
  const { revoked } = await broker.endStep('build', 'many')
  const value = performance.now() - startMs
  if (revoked !== LEASES) throw new Error(`${revoked} leases were revoked, and ${LEASES} made`)
  return {
    name: `secret: end of ${LEASES} leases`,
    value,
    unit: 'ms',
    note: `a revocation takes the manager ${REVOCATION_MS} ms; must be at most 1000`,
  }
}

/** A lease each step, made and ended, over and over: many steps at a time, so that a hundred thousand take minutes. */
async function memoryRows(broker: BrokerClient, directory: string): Promise<BenchRow[]> {
  const pid = brokerOf(directory)
  const rows: BenchRow[] = []
  let made = 0
  let first: number | null = null
  for (const look of LOOKS) {
    for (; made < look; made += STEPS_AT_ONCE)
      await Promise.all(Array.from({ length: STEPS_AT_ONCE }, (_, at) => holdBriefly(broker, made + at)))
    const value = residentMiB(pid)
    first ??= value
    rows.push({
      name: `secret: broker's memory after ${look} leases`,
      value,
      unit: 'MiB',
      ratio: `${(value / first).toFixed(2)} × after ${LOOKS[0]}`,
    })
  }
  return rows
}

async function holdBriefly(broker: BrokerClient, number: number): Promise<void> {
  const step = `s${number}`
  await broker.read({ job: 'build', step, provider: 'vault', address: DYNAMIC, token: null })
  await broker.endStep('build', step)
}

/** Its journal is locked by it alone: /proc/locks names who. */
function brokerOf(directory: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (/broker\.cjs|secrets\/src\/main\.ts/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) && holds(pid, directory))
        return Number(pid)
    } catch {
      // It has ended meanwhile
    }
  }
  throw new Error('the broker is not among the processes')
}

function holds(pid: string, directory: string): boolean {
  const journals = readdirSync(join(directory, 'leases')).map((name) => statSync(join(directory, 'leases', name)).ino)
  const locked = readFileSync('/proc/locks', 'utf8').matchAll(new RegExp(`FLOCK.* ${pid} \\S+:(\\d+) `, 'g'))
  return [...locked].some(([, inode]) => journals.includes(Number(inode)))
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

async function timed(work: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = []
  for (let count = -WARM_UP; count < READS; count += 1) {
    const startMs = performance.now()
    await work()
    if (count >= 0) times.push(performance.now() - startMs)
  }
  return times.toSorted((left, right) => left - right)
}

function quantile(times: readonly number[], part: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN
}

function askDirectly(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { 'x-vault-token': TOKEN } }, (response) => {
      response.resume().once('end', resolve)
    })
      .once('error', reject)
      .end()
  })
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** As much of a Vault as is asked for. */
async function startManager(): Promise<Server> {
  let made = 0
  const server = createServer((incoming, response) => {
    const path = (incoming.url ?? '').replace('/v1/', '')
    incoming.resume().once('end', async () => {
      if (path === 'sys/leases/revoke') await sleep(REVOCATION_MS)
      made += 1
      const body = answerTo(path, made)
      response.writeHead(body === null ? 204 : 200).end(body === null ? undefined : JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function answerTo(path: string, number: number): object | null {
  if (path === 'auth/token/lookup-self') return { data: { accessor: 'own', ttl: 7200, renewable: false } }
  if (path.startsWith('auth/token/create'))
    return { auth: { client_token: 'child', accessor: 'accessor-of-child', lease_duration: 3600, renewable: false, orphan: false } }
  if (path === 'auth/token/lookup-accessor') return { data: {} }
  if (path.startsWith('database/creds/'))
    return {
      lease_id: `database/creds/ci/${number}`,
      lease_duration: 600,
      renewable: true,
      data: { username: `u${number}`, password: `p${number}` },
    }
  return path.startsWith('kv/') ? { data: { token: 'a-long-lived-token' } } : null
}
