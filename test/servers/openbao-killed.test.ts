// SPDX-License-Identifier: Apache-2.0
// Every process of Sallyport is killed while a job has an account of a real PostgreSQL, which a real OpenBao made for it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until, World } from '../_world.ts'
import { BrokerKill, killAtMoments } from '../fault/_broker-kill.ts'
import { addDatabaseEngine } from './_database-engine.ts'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'

const POINTS = 20
const BROKER_POLICY = {
  'auth/token/create': ['update'],
  'auth/token/lookup-accessor': ['update'],
  'auth/token/revoke-accessor': ['update'],
  'sys/leases/renew': ['update'],
  'sys/leases/revoke': ['update'],
  'database/creds/ci': ['read'],
}

const world = new World()
let bao: OpenBao
let postgres: Postgres
let runs: BrokerKill

before(async () => {
  bao = await OpenBao.start({ mode: 'kept' })
  postgres = await Postgres.start()
  await addDatabaseEngine(bao, postgres)
  await bao.policy('sallyport', BROKER_POLICY)
  await bao.admin('POST', 'sys/auth/approle', { type: 'approle' })
  await bao.admin('POST', 'auth/approle/role/sallyport', { token_policies: 'sallyport', token_period: '10m' })
  const { role_id: roleId } = (await bao.admin('GET', 'auth/approle/role/sallyport/role-id')).data
  const { secret_id: secretId } = (await bao.admin('POST', 'auth/approle/role/sallyport/secret-id')).data
  const auth = `{ method: approle, role-id: ${roleId}, secret-id: ${bao.file('secret-id', secretId)} }`
  const server = `address: '${bao.address}', ca: ${bao.authority}`
  runs = new BrokerKill(world, `{ kind: vault, ${server}, auth: ${auth}, mounts: { database: { engine: database } } }`)
})
after(async () => {
  await bao[Symbol.asyncDispose]()
  await postgres[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

function accountNames(): readonly string[] {
  const names = postgres.query(postgres.administrator, `select rolname from pg_roles where rolname like 'v-%'`) ?? ''
  return names.split('\n').filter((name) => name !== '')
}

function accounts(): number {
  return accountNames().length
}

async function leaseIds(): Promise<readonly string[]> {
  const { status, body } = await bao.raw('LIST', 'sys/leases/lookup/database/creds/ci')
  if (status === 404) return []
  assert.equal(status, 200)
  return body.data.keys
}

async function leases(): Promise<number> {
  return (await leaseIds()).length
}

/** The broker's tokens and the jobs', by what they are for. */
async function tokens(name: RegExp): Promise<number> {
  const { keys } = (await bao.admin('LIST', 'auth/token/accessors')).data
  const found = await Promise.all(keys.map((accessor: string) => bao.raw('POST', 'auth/token/lookup-accessor', { accessor })))
  return found.filter(({ status, body }) => status === 200 && name.test(body.data.display_name)).length
}

test('a job gets an account of its own, which is gone with it', async () => {
  const running = runs.start()
  await until('an account', () => accounts() > 0)
  const ran = await running.result
  assert.equal(ran.exitCode, 0, ran.stdout + ran.stderr)
  assert.deepEqual([accounts(), await leases(), await tokens(/sallyport-build/), runs.journals], [0, 0, 0, []])
})

test('killed while an account lives, it leaves that to the next run, which ends it', async () => {
  // Both: what is cut off between the two, OpenBao may lose (see below).
  await runs.killHolding(async () => Math.min(accounts(), await leases()))
  await runs.nextRun()
  assert.deepEqual([accounts(), await leases(), await tokens(/sallyport-build/), runs.journals], [0, 0, 0, []])
})

/**
 * OpenBao 2.7.2, when its client is cut off while it makes an account, may keep one half: an account that it has no lease of, or a lease of no account. A bare
 * client that hung up after 0 to 40 ms left 4 accounts and 5 leases in 120 requests, also after its tokens were revoked. Nobody can end what OpenBao does not know;
 * each half ends by its time, which is why docs/secrets-openbao.md has VALID UNTIL in the statement. What Sallyport leaves has both halves.
 */
class Halves {
  readonly #lost = new Set<string>()

  async live(): Promise<number> {
    const { accounts, leases } = await this.#live()
    return accounts.length + leases.length
  }

  async setAside(): Promise<void> {
    const { accounts, leases } = await this.#live()
    if (accounts.length === 0 || leases.length === 0) for (const half of [...accounts, ...leases]) this.#lost.add(half)
    assert.equal(endless(), 0, 'an account without an end')
  }

  get count(): number {
    return this.#lost.size
  }

  async #live(): Promise<{ readonly accounts: readonly string[]; readonly leases: readonly string[] }> {
    const isNew = (name: string): boolean => !this.#lost.has(name)
    return { accounts: accountNames().filter(isNew), leases: (await leaseIds()).filter(isNew) }
  }
}

function endless(): number {
  const query = `select count(*) from pg_roles where rolname like 'v-%' and (rolvaliduntil is null or rolvaliduntil > now() + interval '3 minutes')`
  return Number(postgres.query(postgres.administrator, query))
}

test(`killed at ${POINTS} moments, it leaves nothing that the next run does not end, but what OpenBao itself loses`, async (t) => {
  let asked = 0
  const halves = new Halves()
  const manager = {
    // The journal is noted as soon as the job's token is made.
    hasBeenAsked: () => runs.journals.length > asked,
    forgetAsked: () => {
      asked = runs.journals.length
    },
    live: () => halves.live(),
    setLostAside: () => halves.setAside(),
  }
  const left = await killAtMoments(POINTS, runs, manager, (text) => t.diagnostic(text))
  t.diagnostic(
    `${left} lived on until the next run; OpenBao lost ${halves.count}; ${await tokens(/sallyport-build/)} jobs' tokens without a lease live until their own end`,
  )
  assert.ok(halves.count <= POINTS / 4, `OpenBao lost ${halves.count}: it seems that Sallyport did`)
})
