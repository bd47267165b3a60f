// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { wireName } from '../dns/_messages.ts'
import { type Asked, a, aaaa, type FakeRecord, responseTo, startNameServer } from './_name-server.ts'
import { Resolver, type ResolverOptions } from './resolver.ts'

/** Nobody listens on the discard port of this address. */
const SILENT = '127.0.0.253:9'

const resolverOf = (servers: readonly string[], options: ResolverOptions = {}): Resolver =>
  new Resolver({ nameServers: servers, hosts: {} }, { udpMs: 150, tcpMs: 500, ...options })

/** Answers A with these records, and everything else with nothing. */
const onlyA =
  (...records: FakeRecord[]) =>
  ({ message, type }: Asked): readonly Buffer[] => [responseTo(message, type === 1 ? records : [])]

test('both families are asked for, and come in turn', async () => {
  await using server = await startNameServer(({ message, type }) => [
    responseTo(message, type === 1 ? [a('192.0.2.1'), a('192.0.2.2')] : [aaaa('2001:db8:0:0:0:0:0:1')]),
  ])
  const resolution = await resolverOf([server.address]).resolve('x.test')
  assert.deepEqual(resolution, { kind: 'addresses', addresses: ['2001:db8:0:0:0:0:0:1', '192.0.2.1', '192.0.2.2'] })
  assert.deepEqual(server.asked.map(({ type }) => type).sort(), [1, 28])
})

test('questions differ in id, port and letter case, and say no more than the name and the type', async () => {
  await using server = await startNameServer(onlyA(a('192.0.2.1')))
  const resolver = resolverOf([server.address])
  for (let index = 0; index < 20; index += 1) await resolver.resolve(`some.long.name.n${index}.test`)
  const distinct = (values: readonly unknown[]): number => new Set(values).size
  assert.equal(server.asked.length, 40)
  assert.ok(distinct(server.asked.map(({ message }) => message.readUInt16BE(0))) > 36)
  assert.ok(distinct(server.asked.map(({ port }) => port)) > 30)
  assert.ok(distinct(server.asked.map(({ name }) => name.slice(0, 15))) > 20)
  for (const { message, name } of server.asked) assert.equal(message.length, 12 + name.length + 2 + 4)
})

test('a name with fixed addresses asks nobody', async () => {
  await using server = await startNameServer(onlyA(a('192.0.2.1')))
  const resolver = new Resolver({ nameServers: [server.address], hosts: { 'Fixed.test': ['127.0.0.1'], 'empty.test': [] } })
  assert.deepEqual(await resolver.resolve('fixed.test'), { kind: 'addresses', addresses: ['127.0.0.1'] })
  assert.equal((await resolver.resolve('empty.test')).kind, 'none')
  assert.equal(server.asked.length, 0)
})

test('names of object properties are names like others', async () => {
  await using server = await startNameServer(onlyA())
  for (const name of ['constructor', '__proto__', 'tostring']) assert.equal((await resolverOf([server.address]).resolve(name)).kind, 'none')
  assert.equal(server.asked.length, 6)
})

test('an answer that was cut off is fetched over TCP', async () => {
  await using server = await startNameServer(({ over, message, type }) => [
    over === 'udp' ? responseTo(message, [], 0x8380) : responseTo(message, type === 1 ? [a('192.0.2.9')] : []),
  ])
  assert.deepEqual(await resolverOf([server.address]).resolve('x.test'), { kind: 'addresses', addresses: ['192.0.2.9'] })
})

test('answers with another id, question, type or letter case are not believed', async () => {
  const changed = (message: Buffer, at: number, value: number): Buffer => {
    const forged = responseTo(message, [a('203.0.113.66')])
    forged.writeUInt8(forged.readUInt8(at) ^ value, at)
    return forged
  }
  await using server = await startNameServer(({ over, message, type }) => {
    if (type !== 1 || over === 'tcp') return [responseTo(message, type === 1 ? [a('192.0.2.1')] : [])]
    const forged = [changed(message, 0, 1), changed(message, 13, 2), changed(message, message.length - 3, 3), changed(message, 2, 0x80)]
    return [Buffer.from('x'), ...forged, responseTo(message, [a('192.0.2.1')])]
  })
  assert.deepEqual(await resolverOf([server.address]).resolve('name.test'), { kind: 'addresses', addresses: ['192.0.2.1'] })
})

test('a server that does not keep letter case is asked again over TCP', async () => {
  const lowered = (message: Buffer): Buffer =>
    Buffer.concat([message.subarray(0, 12), Buffer.from(message.toString('latin1', 12).toLowerCase(), 'latin1')])
  await using server = await startNameServer(({ over, message, type }) => [
    responseTo(lowered(message), type === 1 ? [a(over === 'tcp' ? '192.0.2.1' : '203.0.113.66')] : []),
  ])
  const name = 'a-name-with-enough.letters-that-chance-never.leaves-them-all-small.test'
  assert.deepEqual(await resolverOf([server.address]).resolve(name), { kind: 'addresses', addresses: ['192.0.2.1'] })
})

test('a server that is silent, refuses, or talks nonsense is passed over for the next', async () => {
  const broken = [[], [0x8185], [0x8182]] as const
  for (const flags of broken) {
    await using bad = await startNameServer(({ message }) => flags.map((flag) => responseTo(message, [], flag)))
    await using good = await startNameServer(onlyA(a('192.0.2.1')))
    assert.equal((await resolverOf([bad.address, good.address]).resolve('x.test')).kind, 'addresses')
  }
  await using malformed = await startNameServer(({ message }) => [
    responseTo(message, [a('192.0.2.1', { data: Buffer.alloc(5) }), aaaa('1:2:3:4:5:6:7:8', { data: Buffer.alloc(4) })]),
  ])
  await using good = await startNameServer(onlyA(a('192.0.2.1')))
  assert.deepEqual(await resolverOf([malformed.address, good.address]).resolve('x.test'), { kind: 'addresses', addresses: ['192.0.2.1'] })
  assert.equal((await resolverOf([SILENT, good.address]).resolve('x.test')).kind, 'addresses')
})

test('a server that cannot even be sent to is passed over for the next', async () => {
  await using server = await startNameServer(onlyA(a('192.0.2.1')))
  // The kernel refuses a connection to the broadcast address at once (EACCES), as it does where there is no route (ENETUNREACH).
  const resolver = resolverOf(['255.255.255.255:53', server.address])
  assert.deepEqual(await resolver.resolve('x.test'), { kind: 'addresses', addresses: ['192.0.2.1'] })
})

test('a name that does not exist is final: no other server is asked', async () => {
  await using first = await startNameServer(({ message }) => [responseTo(message, [], 0x8183)])
  await using second = await startNameServer(onlyA(a('192.0.2.1')))
  assert.equal((await resolverOf([first.address, second.address]).resolve('x.test')).kind, 'none')
  assert.equal(second.asked.length, 0)
})

test('without any answer the lookup ends by itself and says so', async () => {
  await using silent = await startNameServer(() => [])
  const resolution = await resolverOf([silent.address], { udpMs: 50 }).resolve('x.test')
  assert.deepEqual(resolution, { kind: 'none', why: 'the name servers failed: it did not answer' })
  assert.equal(silent.asked.length, 4)
  assert.equal((await resolverOf([]).resolve('x.test')).kind, 'none')
})

test('addresses of one family do not wait for a server that never answers about the other', async () => {
  await using server = await startNameServer(({ message, type }) => (type === 1 ? [responseTo(message, [a('192.0.2.1')])] : []))
  const begun = performance.now()
  const resolution = await resolverOf([server.address], { udpMs: 60_000 }).resolve('x.test')
  assert.deepEqual(resolution, { kind: 'addresses', addresses: ['192.0.2.1'] })
  assert.ok(performance.now() - begun < 55_000)
})

test('aliases are followed within the answer, in any order, and only to records of the name at their end', async () => {
  const alias = (owner: Buffer | undefined, target: string): FakeRecord => ({ ...(owner && { owner }), type: 5, data: wireName(target) })
  await using server = await startNameServer(
    onlyA(
      a('203.0.113.66', { owner: wireName('other.test') }),
      a('192.0.2.5', { owner: wireName('End.test') }),
      alias(wireName('mid.test'), 'end.TEST'),
      alias(undefined, 'MID.test'),
    ),
  )
  assert.deepEqual(await resolverOf([server.address]).resolve('x.test'), { kind: 'addresses', addresses: ['192.0.2.5'] })
})

test('an alias that leaves the answer, or leads in a circle, has no address and makes no further question', async () => {
  const alias = (owner: string, target: string): FakeRecord => ({ owner: wireName(owner), type: 5, data: wireName(target) })
  for (const records of [[alias('x.test', 'elsewhere.test')], [alias('x.test', 'y.test'), alias('y.test', 'x.test')]]) {
    await using server = await startNameServer(onlyA(...records, a('203.0.113.66', { owner: wireName('z.test') })))
    assert.equal((await resolverOf([server.address]).resolve('x.test')).kind, 'none')
    assert.deepEqual(new Set(server.asked.map(({ name }) => name.toLowerCase())), new Set(['x.test']))
  }
})

test('of a huge answer only a few addresses are taken', async () => {
  const many = Array.from({ length: 20 }, (_, index) => a(`192.0.2.${index}`))
  await using server = await startNameServer(onlyA(...many))
  const resolution = await resolverOf([server.address]).resolve('x.test')
  assert.equal(resolution.kind === 'addresses' && resolution.addresses.length, 16)
})

test('an answer is kept as long as it says, within 5 seconds and 5 minutes', async () => {
  let nowMs = 0
  const times = { 'zero.test': 0, 'minute.test': 60, 'ever.test': 0x7fffffff, 'negative.test': 0xffffffff }
  await using server = await startNameServer(({ message, name, type }) => [
    responseTo(message, type === 1 ? [a('192.0.2.1', { ttl: times[name.toLowerCase() as keyof typeof times] })] : []),
  ])
  const resolver = resolverOf([server.address], { now: () => nowMs })
  const isAskedAt = async (name: string, atMs: number): Promise<boolean> => {
    const before = server.asked.length
    nowMs = atMs
    await resolver.resolve(name)
    return server.asked.length > before
  }
  for (const [name, seconds] of [
    ['zero.test', 5],
    ['minute.test', 60],
    ['ever.test', 300],
    ['negative.test', 5],
  ] as const) {
    const asked = [await isAskedAt(name, 0), await isAskedAt(name, seconds * 1000 - 1), await isAskedAt(name, seconds * 1000 + 1)]
    assert.deepEqual([name, ...asked], [name, true, false, true])
  }
})

test('the same name asked for at the same time is looked up once, and a failure is not kept', async () => {
  let fails = true
  await using server = await startNameServer(({ message, type }) =>
    fails ? [] : [responseTo(message, type === 1 ? [a('192.0.2.1')] : [])],
  )
  const resolver = resolverOf([server.address], { udpMs: 50 })
  await Promise.all(Array.from({ length: 10 }, () => resolver.resolve('x.test')))
  assert.equal(server.asked.length, 4)
  fails = false
  assert.equal((await resolver.resolve('x.test')).kind, 'addresses')
})

test('thousands of names at a time are looked up a few at a time, and all are', async () => {
  let open = 0
  let most = 0
  await using server = await startNameServer(({ message, type }) => {
    if (type === 1) most = Math.max(most, ++open)
    if (type === 1) setImmediate(() => --open)
    return [responseTo(message, type === 1 ? [a('192.0.2.1')] : [])]
  })
  const resolver = resolverOf([server.address], { udpMs: 2000 })
  const kinds = await Promise.all(Array.from({ length: 2000 }, async (_, index) => (await resolver.resolve(`n${index}.test`)).kind))
  assert.deepEqual(new Set(kinds), new Set(['addresses']))
  assert.ok(most <= 64, `${most} at a time`)
})

test('a lookup that nobody waits for any more does not keep others waiting', async () => {
  await using server = await startNameServer(({ message, name, type }) =>
    name.toLowerCase().startsWith('silent') ? [] : [responseTo(message, type === 1 ? [a('192.0.2.1')] : [])],
  )
  const resolver = resolverOf([server.address], { udpMs: 200 })
  const gone = new AbortController()
  const left = Array.from({ length: 1000 }, (_, index) => resolver.resolve(`silent${index}.test`, gone.signal))
  const wanted = resolver.resolve('silent999.test')
  gone.abort()
  assert.equal((await resolver.resolve('x.test')).kind, 'addresses')
  assert.deepEqual(await wanted, { kind: 'none', why: 'the name servers failed: it did not answer' })
  await Promise.all(left)
  // those that were under way, the one that somebody else wanted, and the good one
  assert.equal(new Set(server.asked.map(({ name }) => name.toLowerCase())).size, 66)
})

test('a question whose answer is not waited for any more keeps no socket', async () => {
  await using server = await startNameServer(({ message, type }) => (type === 1 ? [responseTo(message, [a('192.0.2.1')])] : []))
  const resolver = resolverOf([server.address], { udpMs: 60_000 })
  const socketsOpen = (): number => readdirSync('/proc/self/fd').length
  const before = socketsOpen()
  await Promise.all(Array.from({ length: 40 }, (_, index) => resolver.resolve(`n${index}.test`)))
  assert.ok(socketsOpen() <= before, 'more descriptors than before')
  assert.equal(server.asked.length, 80)
})

test('what is no name of a host is not asked for', async () => {
  await using server = await startNameServer(onlyA(a('192.0.2.1')))
  for (const name of ['', 'a..test', 'a b.test', `${'a'.repeat(64)}.test`, 'x.test.', 'x\0.test'])
    assert.equal((await resolverOf([server.address]).resolve(name)).kind, 'none')
  assert.equal(server.asked.length, 0)
})

test('a configuration with a name server that is none is an error', () => {
  for (const text of ['', 'dns.test', '1.2.3.4:0', '1.2.3.4:70000', '[::1', '[1::2]:x']) assert.throws(() => resolverOf([text]), TypeError)
  for (const text of ['1.2.3.4', '1.2.3.4:5353', '::1', '[::1]', '[::1]:53']) assert.doesNotThrow(() => resolverOf([text]))
})
