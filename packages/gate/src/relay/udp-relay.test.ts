// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import type { EgressRule } from '@sallyport/access'
import type { FromGate } from '../contract.ts'
import { createUdpSocket } from '../dns/udp-socket.ts'
import type { Candidate } from '../names/dialer.ts'
import { RefusedError } from '../ports.ts'
import { Budgets } from '../steps/budgets.ts'
import { OpenSteps } from '../steps/open-steps.ts'
import { rule, ruleSet, STEP } from './_gate-world.ts'
import { UdpRelays, type UdpRelaysOptions } from './udp-relay.ts'

const NAME = 'time.test'
const SOURCE = '127.0.0.11'

async function bind(address: string): Promise<Socket> {
  const socket = createUdpSocket('udp4')
  const bound = once(socket, 'listening')
  socket.bind(0, address)
  await bound
  return socket
}

interface World extends AsyncDisposable {
  readonly steps: OpenSteps
  readonly messages: FromGate[]
  readonly origin: Socket
  readonly relay: Socket
  readonly heard: string[]
  readonly defects: unknown[]
  ask(words: string, client?: Socket): Promise<Socket>
  clientAt(address?: string): Promise<Socket>
}

/** Relay 0 of one step stands for an origin that answers each datagram. */
async function startWorld(options: Partial<UdpRelaysOptions> = {}, parts: Partial<Omit<EgressRule, 'to' | 'ports'>> = {}): Promise<World> {
  const [origin, relay] = [await bind('127.0.0.1'), await bind('127.0.0.1')]
  const heard: string[] = []
  origin.on('message', (datagram, from) => {
    heard.push(String(datagram))
    origin.send(`answer to ${datagram}`, from.port, from.address)
  })
  const messages: FromGate[] = []
  const defects: unknown[] = []
  const steps = new OpenSteps(new Budgets(null), (message) => void messages.push(message))
  const { port } = origin.address()
  const sets = [ruleSet(rule({ to: NAME, port, protocol: 'udp', ...parts }))]
  steps.open({ step: STEP, source: SOURCE, sets, substitutions: [], honeytokens: [], relays: [{ index: 0, name: NAME, port }] })
  const addresses = { candidates: () => Promise.resolve([{ address: '127.0.0.1', isOpened: true }]) }
  const relays = new UdpRelays({
    steps,
    addresses,
    whose: () => Promise.resolve(null),
    onDefect: (error) => void defects.push(error),
    ...options,
  })
  relays.serve(relay, 0)
  const sockets = [origin, relay]
  const clientAt = async (address: string = SOURCE): Promise<Socket> => {
    const client = await bind(address)
    sockets.push(client)
    return client
  }
  return {
    steps,
    messages,
    origin,
    relay,
    heard,
    defects,
    clientAt,
    ask: async (words, client) => {
      const from = client ?? (await clientAt())
      from.send(words, relay.address().port, '127.0.0.1')
      return from
    },
    [Symbol.asyncDispose]: async () => {
      if (steps.of(SOURCE) !== null) steps.close(STEP)
      for (const socket of sockets) socket.close()
      assert.deepEqual(defects, [])
    },
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('datagrams go to the destination and its answers come back, to the socket that asked', async () => {
  await using world = await startWorld()
  const [first, second] = [await world.ask('one'), await world.ask('two')]
  const answers = await Promise.all([first, second].map(async (socket) => String((await once(socket, 'message'))[0])))
  assert.deepEqual(answers, ['answer to one', 'answer to two'])
  const report = world.steps.close(STEP).report.toClosed()
  assert.ok(report.type === 'step-closed')
  assert.partialDeepStrictEqual(report.used[0], { host: NAME, protocol: 'udp', connections: 2, bytesOut: 6, bytesIn: 26 })
})

test('what comes from no open step, or for no relay of it, goes nowhere', async () => {
  await using world = await startWorld()
  await world.ask('stranger', await world.clientAt('127.0.0.12'))
  const left = await world.ask('before')
  await once(left, 'message')
  world.steps.close(STEP)
  await world.ask('after', left)
  await wait(30)
  assert.deepEqual(world.heard, ['before'])
})

test('a destination that may not be reached is refused once, and nothing is sent', async () => {
  const refusal = { code: 'address', target: NAME, reason: 'private', rule: null, remedy: null } as const
  await using world = await startWorld({ addresses: { candidates: () => Promise.reject(new RefusedError(refusal)) } })
  const client = await world.ask('one')
  await wait(20)
  await world.ask('two', client)
  await wait(20)
  assert.deepEqual(world.heard, [])
  assert.deepEqual(world.messages, [{ type: 'refused', step: STEP, refusal }])
})

test('an address that turns out to be this host is refused, unless somebody named it', async () => {
  await using world = await startWorld({ addresses: { candidates: () => Promise.resolve([{ address: '127.0.0.1', isOpened: false }]) } })
  await world.ask('one')
  await wait(50)
  assert.deepEqual(world.heard, [])
  assert.partialDeepStrictEqual(world.messages, [{ type: 'refused', refusal: { code: 'address' } }])
})

test('a rule that is not for UDP lets no datagram through', async () => {
  await using world = await startWorld({}, { protocol: 'tcp' })
  await world.ask('one')
  await wait(20)
  assert.deepEqual(world.heard, [])
  assert.partialDeepStrictEqual(world.messages[0], { type: 'refused' })
})

test('a budget counts datagrams, and ends the conversation before it is exceeded', async () => {
  await using world = await startWorld({}, { budget: { bytesOut: 5, bytesIn: null, bytesPerSecond: null } })
  const client = await world.ask('12345')
  await once(client, 'message')
  await world.ask('6', client)
  await wait(20)
  assert.deepEqual(world.heard, ['12345'])
  assert.ok(world.messages.some((message) => message.type === 'refused' && message.refusal.code === 'budget'))
})

test('a rate holds for a new conversation, too', async () => {
  await using world = await startWorld({}, { budget: { bytesOut: null, bytesIn: null, bytesPerSecond: 100 } })
  for (let times = 0; times < 20; times++) await world.ask('x'.repeat(200))
  await wait(50)
  assert.deepEqual(world.heard, [])
})

test('a datagram that waits for the rate is sent when it allows it', async () => {
  await using world = await startWorld({}, { budget: { bytesOut: null, bytesIn: null, bytesPerSecond: 10_000 } })
  const client = await world.ask('x'.repeat(1500))
  const [answer] = (await once(client, 'message')) as [Buffer]
  assert.equal(answer.length, 1510)
})

test('what says that it comes from port 0 goes nowhere', async () => {
  await using world = await startWorld()
  world.relay.emit('message', Buffer.from('x'), { address: SOURCE, port: 0, family: 'IPv4', size: 1 })
  await wait(50)
  assert.deepEqual(world.heard, [])
})

test('beyond a number of conversations further ones are refused, and idle ones make room', async () => {
  await using world = await startWorld({ flowsMax: 2, idleMs: 60 })
  for (const words of ['1', '2', '3']) await world.ask(words)
  await wait(30)
  assert.deepEqual(world.heard.toSorted(), ['1', '2'])
  assert.ok(world.messages.some((message) => message.type === 'alert' && message.kind === 'connection-flood'))
  await wait(80)
  await world.ask('4')
  await wait(30)
  assert.deepEqual(world.heard.at(-1), '4')
})

test('only so many datagrams wait for the destination to be known', async () => {
  const { promise, resolve } = Promise.withResolvers<readonly Candidate[]>()
  await using world = await startWorld({ addresses: { candidates: () => promise } })
  const client = await world.clientAt()
  for (let index = 0; index < 50; index++) await world.ask(`${index}`, client)
  // Those that arrive later are relayed as they come
  await wait(500)
  resolve([{ address: '127.0.0.1', isOpened: true }])
  await wait(30)
  assert.equal(world.heard.length, 8)
})
