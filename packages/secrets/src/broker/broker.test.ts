// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { JobFacts, SecretAddress } from '../contract.ts'
import { FakeProvider } from './_fake-provider.ts'
import { Broker, endNoted } from './broker.ts'
import { LeaseJournal, listNotedSessions } from './lease-journal.ts'
import type { Answer, ReadRequest } from './messages.ts'
import { parseFromBroker, parseToBroker } from './parse-messages.ts'
import { BrokerService } from './service.ts'

const identity: JobFacts = { run: 'r1', job: 'build', repository: null, ref: null }
const reading = (path: string, step = '1', provider = 'fake', token: string | null = null): ReadRequest => ({
  job: 'build',
  step,
  provider,
  address: at(path),
  token,
})
const at = (path: string): SecretAddress => ({ path, field: null, version: null, parameters: {} })

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-broker-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

async function open(provider: FakeProvider): Promise<{ broker: Broker; journal: LeaseJournal; providers: Map<string, FakeProvider> }> {
  const providers = new Map([['fake', provider]])
  const journal = await LeaseJournal.create(directory, 'r1')
  const broker = new Broker({ providers, journal, observe: () => undefined, nowMs: () => Date.now() })
  broker.openJob('build', identity, 60_000)
  return { broker, journal, providers }
}

const filesIn = (): string[] => readdirSync(directory)

describe('Broker', () => {
  it('shows a provider the token of the read that opens its session, and no later one', async () => {
    const provider = new FakeProvider()
    const { broker } = await open(provider)
    await broker.read(reading('a', '1', 'fake', 'a token'))
    await broker.read(reading('b', '2', 'fake', null))
    assert.deepEqual(provider.shown, ['a token'])
    await broker.endJob('build')
  })

  it('has the session on disk before it reads, and ends leases with their step and the session with the job', async () => {
    const provider = new FakeProvider()
    const { broker, journal } = await open(provider)
    await Promise.all([broker.read(reading('a', '1', 'fake')), broker.read(reading('b', '2', 'fake'))])
    assert.equal(provider.said[0], 'noted accessor-1 for build')
    assert.match(readFileSync(join(directory, 'r1.leases'), 'utf8'), /"handle":"accessor-1"/)
    assert.deepEqual(await broker.endStep('build', '1'), { revoked: 1, unrevoked: [] })
    assert.equal(provider.living.get('accessor-1')?.size, 1)
    assert.deepEqual(await broker.endJob('build'), { revoked: 1, unrevoked: [] })
    assert.deepEqual(await broker.endJob('build'), { revoked: 0, unrevoked: [] })
    assert.equal(provider.living.size, 0)
    await journal[Symbol.asyncDispose]()
    assert.deepEqual(filesIn(), [])
  })

  it('leaves in the journal what the provider did not end, and says until when it lives', async () => {
    const provider = new FakeProvider()
    const { broker, journal, providers } = await open(provider)
    await broker.read(reading('a', '1', 'fake'))
    provider.isDown = true
    const step = await broker.endStep('build', '1')
    assert.equal(step.unrevoked[0]?.message, 'it is down')
    const job = await broker.endJob('build')
    assert.equal(job.unrevoked.length, 1)
    assert.ok((job.unrevoked[0]?.untilMs ?? 0) > Date.now())
    await journal[Symbol.asyncDispose]()
    assert.deepEqual(filesIn(), ['r1.leases'])
    provider.isDown = false
    for await (const left of LeaseJournal.abandoned(directory)) {
      await using abandoned = left
      assert.deepEqual(await endNoted(abandoned, providers, Date.now()), { revoked: 1, unrevoked: [] })
    }
    assert.equal(provider.living.size, 0)
    assert.deepEqual(filesIn(), [])
  })

  it('reads nothing for a session that cannot be noted', async () => {
    const provider = new FakeProvider()
    const { broker, journal } = await open(provider)
    journal.note = () => Promise.reject(new Error('no space left'))
    await assert.rejects(broker.read(reading('a', '1', 'fake')), /no space left/)
    assert.deepEqual(provider.said, [])
    await journal[Symbol.asyncDispose]()
  })

  it('opens another session after one that could not be opened', async () => {
    const provider = new FakeProvider()
    const { broker, journal } = await open(provider)
    provider.isDown = true
    await assert.rejects(broker.read(reading('a', '1', 'fake')), { code: 'PROVIDER_UNREACHABLE' })
    provider.isDown = false
    await broker.read(reading('static', '1', 'fake'))
    await assert.rejects(broker.read(reading('a', '1', 'other')), { code: 'PROVIDER_CONFIG_INVALID' })
    await broker.endJob('build')
    await journal[Symbol.asyncDispose]()
  })

  it('renews what would end before its step', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const provider = new FakeProvider()
    const { broker, journal } = await open(provider)
    await broker.read(reading('a', '1', 'fake'))
    context.mock.timers.tick(40_000)
    await new Promise(setImmediate)
    assert.equal(provider.said.at(-1), 'renewed lease-1')
    await broker.endStep('build', '1')
    context.mock.timers.tick(100_000)
    assert.equal(provider.said.at(-1), 'revoked lease-1')
    await broker.endJob('build')
    await journal[Symbol.asyncDispose]()
  })
})

describe('LeaseJournal', () => {
  it('is listed while its broker lives, and after that as abandoned', async () => {
    const session = { provider: 'fake', handle: 'h', job: 'build', untilMs: 5 }
    assert.deepEqual(await listNotedSessions(join(directory, 'none')), [])
    {
      await using live = await LeaseJournal.create(directory, 'r1')
      await live.note(session)
      assert.deepEqual(await listNotedSessions(directory), [{ run: 'r1', isLive: true, sessions: [session] }])
    }
    assert.deepEqual(await listNotedSessions(directory), [{ run: 'r1', isLive: false, sessions: [session] }])
    for await (const left of LeaseJournal.abandoned(directory)) {
      await using abandoned = left
      await abandoned.ended(session)
    }
    assert.deepEqual(await listNotedSessions(directory), [])
  })

  it('is nobody else’s while its broker lives', async () => {
    await using journal = await LeaseJournal.create(directory, 'r1')
    await journal.note({ provider: 'fake', handle: 'h', job: 'build', untilMs: 1 })
    assert.deepEqual(await Array.fromAsync(LeaseJournal.abandoned(directory)), [])
    await assert.rejects(LeaseJournal.create(directory, 'r1'), /another broker/)
    await journal.ended({ provider: 'fake', handle: 'h', job: 'build', untilMs: 1 })
  })

  it('takes a line that was not written to its end for nothing', async () => {
    {
      await using journal = await LeaseJournal.create(directory, 'r1')
      await journal.note({ provider: 'fake', handle: 'h', job: 'build', untilMs: 5 })
    }
    appendFileSync(join(directory, 'r1.leases'), '{"noted":{"provider":"fa')
    for await (const left of LeaseJournal.abandoned(directory)) {
      await using abandoned = left
      assert.deepEqual(abandoned.open, [{ provider: 'fake', handle: 'h', job: 'build', untilMs: 5 }])
      await abandoned.ended({ provider: 'fake', handle: 'h', job: 'build', untilMs: 5 })
    }
    assert.deepEqual(filesIn(), [])
  })

  it('says which file it cannot read, after it has given the others', async () => {
    writeFileSync(join(directory, 'a.leases'), 'nonsense\n')
    {
      await using journal = await LeaseJournal.create(directory, 'r1')
      await journal.note({ provider: 'fake', handle: 'h', job: 'build', untilMs: 5 })
    }
    const seen: string[] = []
    const sweep = async (): Promise<void> => {
      for await (const left of LeaseJournal.abandoned(directory)) {
        await using abandoned = left
        seen.push(abandoned.run)
      }
    }
    await assert.rejects(sweep(), { code: 'LEASE_NOT_REVOKED', message: /a\.leases/ })
    assert.deepEqual(seen, ['r1'])
  })

  it('forgets sessions of providers that nobody configures any more only when they have ended by themselves', async () => {
    {
      await using journal = await LeaseJournal.create(directory, 'r1')
      await journal.note({ provider: 'gone', handle: 'h', job: 'build', untilMs: 1000 })
    }
    for (const [nowMs, unrevoked] of [
      [999, 1],
      [1000, 0],
    ] as const) {
      for await (const left of LeaseJournal.abandoned(directory)) {
        await using abandoned = left
        assert.equal((await endNoted(abandoned, new Map(), nowMs)).unrevoked.length, unrevoked)
      }
    }
    assert.deepEqual(filesIn(), [])
  })
})

describe('BrokerService', () => {
  const start = async (provider: FakeProvider): Promise<BrokerService> => {
    const ports = { nowMs: () => Date.now(), readFile: async () => new Uint8Array() }
    const service = new BrokerService(
      ports,
      () => undefined,
      async () => provider,
    )
    const providers = [{ name: 'fake', kind: 'vault', settings: {} }] as const
    assert.deepEqual(await service.answer({ type: 'configure', providers, leaseDirectory: directory, run: 'r2' }), { type: 'done' })
    return service
  }

  it('says what a provider refused, and goes on', async () => {
    const provider = new FakeProvider()
    await using service = await start(provider)
    await service.answer({ type: 'open-job', job: 'build', identity, ttlMs: 1000 })
    provider.isDown = true
    const answer = await service.answer({ type: 'read', ...reading('a') })
    assert.deepEqual(answer, { type: 'refused', code: 'PROVIDER_UNREACHABLE', message: 'it is down', hint: null })
    provider.isDown = false
    const read = (await service.answer({ type: 'read', ...reading('a') })) as Extract<Answer, { type: 'read' }>
    assert.equal(Buffer.from(read.fields['value'] ?? '', 'base64').toString(), 'value of a')
  })

  it('says that a provider gave up, and lives on', async () => {
    const provider = new FakeProvider()
    provider.openSession = () => Promise.reject(AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError'))
    await using service = await start(provider)
    await service.answer({ type: 'open-job', job: 'build', identity, ttlMs: 1000 })
    const answer = await service.answer({ type: 'read', job: 'build', step: '1', provider: 'fake', address: at('a'), token: null })
    assert.equal(answer.type === 'refused' && answer.code, 'PROVIDER_TIMEOUT')
  })

  it('ends everything when its supervisor is gone', async () => {
    const provider = new FakeProvider()
    const service = await start(provider)
    await service.answer({ type: 'open-job', job: 'build', identity, ttlMs: 60_000 })
    await service.answer({ type: 'read', ...reading('a') })
    await service[Symbol.asyncDispose]()
    assert.deepEqual([provider.living.size, provider.said.at(-1), filesIn()], [0, 'disposed', []])
  })

  it('sweeps what a broker that was killed has left', async () => {
    const provider = new FakeProvider()
    provider.living.set('accessor-9', new Set(['lease-9']))
    {
      await using journal = await LeaseJournal.create(directory, 'r1')
      await journal.note({ provider: 'fake', handle: 'accessor-9', job: 'build', untilMs: Date.now() + 60_000 })
    }
    await using service = await start(provider)
    assert.deepEqual(await service.answer({ type: 'sweep' }), { type: 'ended', revoked: 1, unrevoked: [] })
    assert.equal(provider.living.size, 0)
    assert.deepEqual(filesIn(), ['r2.leases'])
  })
})

describe('messages', () => {
  it('that no end says are refused', () => {
    const bad = [
      '[]',
      '{}',
      '{"id":0,"type":"sweep"}',
      '{"id":1,"type":"read","job":"a"}',
      '{"id":1,"type":"read","job":"a","step":"1","provider":"p","address":{"path":"a","field":1,"version":null,"parameters":{}}}',
      '{"id":1,"type":"configure","providers":[{"name":"a","kind":"vault","settings":{"a":1}}],"leaseDirectory":"/","run":"r"}',
    ]
    for (const line of bad) assert.throws(() => parseToBroker(line), TypeError, line)
    for (const line of ['{}', '{"id":1,"type":"read","fields":{"a":1},"version":null,"expiresAtMs":null}', '{"id":0,"type":"done"}'])
      assert.throws(() => parseFromBroker(line), TypeError, line)
  })
})
