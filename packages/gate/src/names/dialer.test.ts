// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionTarget } from '@sallyport/access'
import { RefusedError } from '../ports.ts'
import { a, responseTo, startNameServer } from './_name-server.ts'
import { connectFirst } from './connect-race.ts'
import { GateDialer, wrongPeer } from './dialer.ts'
import { type Resolution, Resolver } from './resolver.ts'

interface Origin extends AsyncDisposable {
  readonly port: number
  readonly accepted: Socket[]
}

/** Listens on one port of several loopback addresses. */
async function startOrigin(...addresses: string[]): Promise<Origin> {
  const accepted: Socket[] = []
  const servers: Server[] = []
  let port = 0
  for (const host of addresses) {
    const server = createServer({ allowHalfOpen: true }, (socket) => void accepted.push(socket.on('error', () => undefined)))
    server.listen(port, host)
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  return {
    port,
    accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy()
      for (const server of servers) server.close()
      await Promise.all(servers.map((server) => once(server, 'close')))
    },
  }
}

interface DialerParts {
  readonly addresses?: readonly string[]
  readonly resolution?: Resolution | Promise<Resolution>
  readonly trusted?: boolean
  readonly open?: readonly string[]
  readonly own?: readonly string[]
  readonly connectMs?: number
}

/** `x.test` stands for the addresses. */
function dialerFor({ addresses = [], resolution, trusted = false, open = [], own = [], connectMs = 2000 }: DialerParts): GateDialer {
  const resolver = { resolve: async (): Promise<Resolution> => resolution ?? { kind: 'addresses', addresses } }
  const config = {
    hosts: trusted ? { 'x.test': addresses } : {},
    trustedHosts: ['x.test'],
    privateNetworks: open,
    ownAddresses: own,
    limits: { connectMs },
  }
  return new GateDialer({ resolver, config })
}

const target = (port: number, address: string | null = null): ConnectionTarget => ({
  name: address === null ? 'x.test' : null,
  address,
  port,
  transport: 'tcp',
  executable: null,
})

const never = new AbortController().signal

async function refusalOf(dialling: Promise<unknown>): Promise<RefusedError['refusal']> {
  const error = await dialling.then(
    () => assert.fail('it was dialled'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof RefusedError, String(error))
  return error.refusal
}

test('what the operator opened is dialled, and its end does not end our side', async () => {
  await using origin = await startOrigin('127.0.0.1')
  const socket = await dialerFor({ addresses: ['127.0.0.1'], open: ['127.0.0.0/8'] }).dial(target(origin.port), never)
  assert.deepEqual([socket.remoteAddress, socket.remotePort], ['127.0.0.1', origin.port])
  origin.accepted[0]?.end('done')
  assert.equal(String((await once(socket, 'data'))[0]), 'done')
  await once(socket, 'end')
  assert.equal(socket.writable, true)
  socket.destroy()
})

test('a name that stands for the loopback is refused without a packet, and the operator is told what would open it', async () => {
  await using origin = await startOrigin('127.0.0.1')
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '0.0.0.0', '169.254.169.254']) {
    const refusal = await refusalOf(dialerFor({ addresses: [address] }).dial(target(origin.port), never))
    assert.deepEqual([refusal.code, refusal.target], ['address', `x.test:${origin.port}`])
    assert.match(refusal.reason, /^x\.test stands for \S+, which is /)
    assert.match(refusal.remedy ?? '', /`private`/)
  }
  assert.equal(origin.accepted.length, 0)
})

test('a metadata address says that it is one', async () => {
  assert.match((await refusalOf(dialerFor({ addresses: ['169.254.169.254'] }).dial(target(80), never))).reason, /metadata/)
})

test('of several addresses only the allowed ones are dialled', async () => {
  await using origin = await startOrigin('127.0.0.1', '127.0.0.2')
  const socket = await dialerFor({ addresses: ['127.0.0.1', '10.0.0.1', '127.0.0.2'], open: ['127.0.0.2'] }).dial(
    target(origin.port),
    never,
  )
  assert.equal(socket.remoteAddress, '127.0.0.2')
  socket.destroy()
})

test('an address that the job named itself is checked as well', async () => {
  await using origin = await startOrigin('127.0.0.1')
  assert.equal((await refusalOf(dialerFor({}).dial(target(origin.port, '127.0.0.1'), never))).code, 'address')
  const socket = await dialerFor({ open: ['127.0.0.1'] }).dial(target(origin.port, '127.0.0.1'), never)
  socket.destroy()
  assert.equal((await refusalOf(dialerFor({}).dial({ ...target(1), name: null }, never))).code, 'address')
})

test('addresses that the person gave for a name need no permission; trust in a name without them is no trust', async () => {
  await using origin = await startOrigin('127.0.0.1')
  const socket = await dialerFor({ addresses: ['127.0.0.1'], trusted: true }).dial(target(origin.port), never)
  socket.destroy()
  assert.equal((await refusalOf(dialerFor({ addresses: ['127.0.0.1'] }).dial(target(origin.port), never))).code, 'address')
  assert.equal(
    (await refusalOf(dialerFor({ addresses: ['127.0.0.1'], trusted: true }).dial(target(origin.port, '127.0.0.1'), never))).code,
    'address',
  )
})

test('a name server that changes its mind between check and connection changes nothing', async () => {
  await using origin = await startOrigin('127.0.0.1', '127.0.0.2')
  let asked = 0
  await using server = await startNameServer(({ message, type }) => {
    if (type !== 1) return [responseTo(message, [])]
    asked += 1
    return [responseTo(message, [a(asked === 1 ? '127.0.0.2' : '127.0.0.1', { ttl: 0 })])]
  })
  let nowMs = 0
  const resolver = new Resolver({ nameServers: [server.address], hosts: {} }, { now: () => nowMs })
  const config = { hosts: {}, trustedHosts: [], privateNetworks: ['127.0.0.2/32'], ownAddresses: [], limits: { connectMs: 2000 } }
  const dialer = new GateDialer({ resolver, config })
  const socket = await dialer.dial(target(origin.port), never)
  assert.deepEqual([socket.remoteAddress, asked], ['127.0.0.2', 1])
  socket.destroy()
  nowMs = 10_000
  assert.equal((await refusalOf(dialer.dial(target(origin.port), never))).code, 'address')
  assert.equal(asked, 2)
})

test('a name without an address, or whose servers are late, is unresolved', async () => {
  const none = dialerFor({ resolution: { kind: 'none', why: 'it has no address' } }).dial(target(443), never)
  assert.deepEqual((await refusalOf(none)).code, 'unresolved')
  const late = dialerFor({ resolution: new Promise(() => undefined), connectMs: 50 }).dial(target(443), never)
  assert.equal((await refusalOf(late)).code, 'unresolved')
})

test('where nobody listens is unreachable, after every address was tried', async () => {
  const { port } = await closedPort()
  const refusal = await refusalOf(dialerFor({ addresses: ['127.0.0.1', '127.0.0.2'], open: ['127.0.0.0/8'] }).dial(target(port), never))
  assert.equal(refusal.code, 'unreachable')
  assert.match(refusal.reason, /ECONNREFUSED 127\.0\.0\.2/)
})

test('an address that refuses costs no time, and the next is dialled', async () => {
  await using origin = await startOrigin('127.0.0.3')
  const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
  const socket = await dialerFor({ addresses, open: ['127.0.0.0/8'] }).dial(target(origin.port), never)
  assert.equal(socket.remoteAddress, '127.0.0.3')
  socket.destroy()
  const begun = performance.now()
  const minuteMs = 60_000
  const race = await connectFirst(addresses, {
    port: origin.port,
    staggerMs: minuteMs,
    timeoutMs: 5 * minuteMs,
    signal: never,
    verify: () => null,
  })
  assert.equal(race.kind, 'connected')
  if (race.kind === 'connected') race.socket.destroy()
  assert.ok(performance.now() - begun < 0.9 * minuteMs)
})

test('an address that is silent holds up the next one for the stagger and no longer', async () => {
  await using origin = await startOrigin('127.0.0.1')
  await using silent = await startSilent('127.0.0.9', origin.port)
  const begun = performance.now()
  const parts = { addresses: ['127.0.0.9', '127.0.0.1'], open: ['127.0.0.0/8'], connectMs: 60_000 }
  const socket = await dialerFor(parts).dial(target(silent.port), never)
  const tookMs = performance.now() - begun
  assert.equal(socket.remoteAddress, '127.0.0.1')
  assert.ok(tookMs >= 240 && tookMs < 50_000, `${tookMs} ms`)
  socket.destroy()
})

test('an address that is silent is given up after the time for a connection, or when the doors shut', async () => {
  await using silent = await startSilent('127.0.0.9', 0)
  const parts = { addresses: ['127.0.0.9'], open: ['127.0.0.0/8'], connectMs: 300 }
  assert.equal((await refusalOf(dialerFor(parts).dial(target(silent.port), never))).code, 'unreachable')
  const shut = new AbortController()
  const dialling = refusalOf(dialerFor({ ...parts, connectMs: 60_000 }).dial(target(silent.port), shut.signal))
  await sleep(50)
  shut.abort()
  assert.equal((await dialling).code, 'step-ended')
  assert.equal((await refusalOf(dialerFor(parts).dial(target(silent.port), AbortSignal.abort()))).code, 'step-ended')
})

test('doors that shut during the lookup end the dial at once, with their own reason if they have one', async () => {
  const dialer = dialerFor({ resolution: new Promise(() => undefined), connectMs: 60_000 })
  const shut = new AbortController()
  const dialling = refusalOf(dialer.dial(target(443), shut.signal))
  const budget = { code: 'budget', target: 'x', reason: 'y', rule: null, remedy: null } as const
  shut.abort(new RefusedError(budget))
  assert.deepEqual(await dialling, budget)
})

test('an address of this host that nobody told of is found out by who answers', async () => {
  await using origin = await startOrigin('127.0.0.1')
  // a way around the table of special ranges: what is left is that both ends are the same address
  const verdict = await connectFirst(['127.0.0.1'], {
    port: origin.port,
    staggerMs: 250,
    timeoutMs: 1000,
    signal: never,
    verify: (socket, address) => wrongPeer(socket, address, false),
  })
  assert.deepEqual(verdict, { kind: 'failed', why: 'the address is one of this host' })
  assert.equal(
    wrongPeer({ remoteAddress: '192.0.2.1', localAddress: '10.0.0.1' }, '192.0.2.2', true),
    'the connection is to another address',
  )
  assert.equal(wrongPeer({ remoteAddress: '::ffff:192.0.2.1', localAddress: '::ffff:10.0.0.1' }, '192.0.2.1', false), null)
})

test('a connection that breaks before anybody listens to it does not end the process', async () => {
  await using origin = await startOrigin('127.0.0.1')
  const socket = await dialerFor({ addresses: ['127.0.0.1'], open: ['127.0.0.1'] }).dial(target(origin.port), never)
  // not with `once`, which would listen for errors itself
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.write('x')
  while (origin.accepted.length === 0) await sleep(5)
  origin.accepted[0]?.resetAndDestroy()
  await closed
})

test('for protocols without a connection the checked addresses are given out', async () => {
  const dialer = dialerFor({ addresses: ['10.0.0.1', '8.8.8.8'] })
  assert.deepEqual(await dialer.candidates(target(123), never), [{ address: '8.8.8.8', isOpened: false }])
  assert.equal((await refusalOf(dialerFor({ addresses: ['10.0.0.1'] }).candidates(target(123), never))).code, 'address')
})

test('a configuration with addresses that are none is an error', () => {
  assert.throws(() => dialerFor({ open: ['10/8'] }), TypeError)
  assert.throws(() => dialerFor({ own: ['eth0'] }), TypeError)
})

async function closedPort(): Promise<{ readonly port: number }> {
  const origin = await startOrigin('127.0.0.1')
  await origin[Symbol.asyncDispose]()
  return origin
}

/** Drops connections: its process is stopped and its queue is full. */
async function startSilent(address: string, port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const program = `const server = require('node:net').createServer()
    server.listen({ host: '${address}', port: ${port}, backlog: 1 }, () => console.log(server.address().port))`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const bound = Number(String((await once(child.stdout, 'data'))[0]))
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 4 }, () => connect(bound, address).on('error', () => undefined))
  await sleep(100)
  return {
    port: bound,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy()
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

test('what is beyond the rate waits for it, unless its step ends first', async () => {
  await using origin = await startOrigin('127.0.0.1')
  const waits = [30, 60_000]
  const resolver = { resolve: async (): Promise<Resolution> => ({ kind: 'addresses', addresses: ['127.0.0.1'] }) }
  const config = {
    hosts: { 'x.test': ['127.0.0.1'] },
    trustedHosts: ['x.test'],
    privateNetworks: [],
    ownAddresses: [],
    limits: { connectMs: 2000 },
  }
  const dialer = new GateDialer({ resolver, config, rate: { take: () => waits.shift() ?? 0 } })
  const startMs = performance.now()
  const socket = await dialer.dial(
    { name: 'x.test', address: null, port: origin.port, transport: 'tcp', executable: null },
    new AbortController().signal,
  )
  assert.ok(performance.now() - startMs >= 29)
  socket.destroy()
  const controller = new AbortController()
  const waiting = dialer.dial({ name: 'x.test', address: null, port: origin.port, transport: 'tcp', executable: null }, controller.signal)
  setTimeout(() => controller.abort(), 10)
  await assert.rejects(waiting, (error: RefusedError) => error.refusal.code === 'step-ended')
  assert.equal(origin.accepted.length, 1)
})
