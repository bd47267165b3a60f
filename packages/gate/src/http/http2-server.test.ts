// SPDX-License-Identifier: Apache-2.0
// What a hostile client can do with the framing of HTTP/2 alone, below what Node's own client would ever send.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { http2Request, http2Session, rule, serve, startGate, TestAuthority, type TestGate, type TestServer } from './_harness.ts'

const internet = new TestAuthority()

async function world(context: TestContext): Promise<{ readonly gate: TestGate; readonly server: TestServer }> {
  const stream = (_request: unknown, response: { end(text: string): void }): void => void setTimeout(() => response.end('x'), 30)
  const server = await serve('h2', { certificate: internet.for('api.test'), stream })
  const gate = await startGate({ rules: [rule('api.test', { methods: ['GET'] })], servers: { 'api.test': server.port }, internet })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

const FRAME = { data: 0, headers: 1, rst: 3, settings: 4, ping: 6, continuation: 9 } as const
const [END_STREAM, END_HEADERS] = [1, 4]

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
const get = Buffer.concat([
  literal(':method', 'GET'),
  literal(':scheme', 'https'),
  literal(':authority', 'api.test'),
  literal(':path', '/'),
])
const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0)])

/** Of a ping that asks whether everything before it was taken in. */
const BARRIER = Buffer.from('barrier!')
const theEnd = (): boolean => false

/** Sends frames until all are sent or the session is ended; says which. Without `isDone` a ping behind them is waited for. */
async function flood(gate: TestGate, frames: Iterable<Buffer>, isDone?: () => boolean): Promise<'ended' | 'sent'> {
  const socket = tls.connect({ socket: connect(gate.port, '127.0.0.1'), servername: 'api.test', ca: gate.authority, ALPNProtocols: ['h2'] })
  socket.on('error', () => socket.destroy())
  let isTakenIn = false
  socket.setMaxListeners(0).on('data', (chunk: Buffer) => {
    isTakenIn ||= chunk.includes(BARRIER)
  })
  socket.write(PREFACE)
  for (const each of frames) {
    if (socket.destroyed || socket.writableEnded) break
    if (!socket.write(each))
      await Promise.race([sleep(500), new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))])
  }
  if (isDone === undefined && !socket.destroyed) socket.write(frame(FRAME.ping, 0, 0, BARRIER))
  const holds = isDone ?? ((): boolean => isTakenIn)
  for (let look = 0; look < 3000 && !socket.destroyed && !holds(); look += 1) await sleep(10)
  if (!socket.destroyed && isDone === undefined) await sleep(100)
  const isEnded = socket.destroyed
  socket.destroy()
  return isEnded ? 'ended' : 'sent'
}

function* repeat(count: number, make: (index: number) => Buffer): Generator<Buffer> {
  for (let index = 0; index < count; index += 1) yield make(index)
}

test('the frames of these tests make a request', async (context) => {
  const { gate, server } = await world(context)
  assert.equal(await flood(gate, [frame(FRAME.headers, END_STREAM | END_HEADERS, 1, get)], () => server.arrivals.length > 0), 'sent')
  assert.equal(server.arrivals.length, 1)
})

test('requests that are given up as fast as they are made end the session (CVE-2023-44487)', async (context) => {
  const { gate, server } = await world(context)
  const reset = Buffer.from([0, 0, 0, 8])
  const frames = repeat(5000, (index) => {
    const stream = 2 * index + 1
    return Buffer.concat([frame(FRAME.headers, END_STREAM | END_HEADERS, stream, get), frame(FRAME.rst, 0, stream, reset)])
  })
  assert.equal(await flood(gate, frames, theEnd), 'ended')
  assert.ok(server.arrivals.length <= 300, `${server.arrivals.length} arrived`)
})

test('a header section without end ends the session (CVE-2024-27316)', async (context) => {
  const { gate, server } = await world(context)
  const field = literal('x-filler', 'y'.repeat(100))
  const frames = [frame(FRAME.headers, END_STREAM, 1, get), ...repeat(2000, () => frame(FRAME.continuation, 0, 1, field))]
  assert.equal(await flood(gate, frames, theEnd), 'ended')
  assert.equal(server.arrivals.length, 0)
})

test('a flood of settings, and one of pings, harms nobody else', async (context) => {
  const { gate } = await world(context)
  const settings = flood(
    gate,
    repeat(50_000, () => frame(FRAME.settings, 0, 0)),
  )
  const pings = flood(
    gate,
    repeat(50_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  )
  const session = http2Session(gate, 'api.test')
  const { status } = await http2Request(session, { ':path': '/' })
  assert.equal(status, 200)
  session.close()
  await Promise.all([settings, pings])
})

test('no more than a hundred requests are under way at a time', async (context) => {
  const { gate, server } = await world(context)
  server.server.removeAllListeners('request')
  await flood(
    gate,
    repeat(300, (index) => frame(FRAME.headers, END_STREAM | END_HEADERS, 2 * index + 1, get)),
  )
  assert.ok(gate.requests.length <= 100, `${gate.requests.length} requests`)
})

test('too many header fields, and too large ones, are refused', async (context) => {
  const { gate, server } = await world(context)
  const session = http2Session(gate, 'api.test')
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, '1']))
  assert.notEqual((await http2Request(session, { ':path': '/', ...many })).status, 200)
  const other = http2Session(gate, 'api.test')
  assert.notEqual((await http2Request(other, { ':path': '/', 'x-large': 'y'.repeat(40_000) })).status, 200)
  assert.equal(server.arrivals.length, 0)
  session.destroy()
  other.destroy()
})

for (const [what, fields, code] of [
  [
    'another authority',
    [literal(':method', 'GET'), literal(':scheme', 'https'), literal(':authority', 'evil.test'), literal(':path', '/')],
    'host-header',
  ],
  ['another host beside the authority', [get, literal('host', 'evil.test')], 'host-header'],
  [
    'another scheme',
    [literal(':method', 'GET'), literal(':scheme', 'http'), literal(':authority', 'api.test'), literal(':path', '/')],
    'malformed',
  ],
  [
    'a method in lower case',
    [literal(':method', 'post'), literal(':scheme', 'https'), literal(':authority', 'api.test'), literal(':path', '/')],
    'method',
  ],
  ['a tunnel', [literal(':method', 'CONNECT'), literal(':authority', 'api.test:443')], 'method'],
  [
    'dot segments',
    [literal(':method', 'GET'), literal(':scheme', 'https'), literal(':authority', 'api.test'), literal(':path', '/a/../b')],
    'malformed',
  ],
] as const) {
  test(`a request with ${what} does not arrive`, async (context) => {
    const { gate, server } = await world(context)
    await flood(gate, [frame(FRAME.headers, END_STREAM | END_HEADERS, 1, Buffer.concat(fields))])
    assert.deepEqual(
      gate.refusals.map((refusal) => refusal.code),
      [code],
    )
    assert.equal(server.arrivals.length, 0)
  })
}

for (const [what, fields] of [
  ['a header field of HTTP/1', [get, literal('transfer-encoding', 'chunked')]],
  ['an upgrade', [get, literal('upgrade', 'websocket'), literal('connection', 'upgrade')]],
  [
    'a line feed in the path',
    [literal(':method', 'GET'), literal(':scheme', 'https'), literal(':authority', 'api.test'), literal(':path', '/ HTTP/1.1\r\nx: y')],
  ],
  ['two paths', [get, literal(':path', '/other')]],
  ['no authority and no host', [literal(':method', 'GET'), literal(':scheme', 'https'), literal(':path', '/')]],
  [
    'an extended CONNECT',
    [
      literal(':protocol', 'websocket'),
      literal(':method', 'CONNECT'),
      literal(':scheme', 'https'),
      literal(':authority', 'api.test'),
      literal(':path', '/'),
    ],
  ],
  ['an upper case name', [get, literal('X-A', 'b')]],
] as const) {
  test(`a request with ${what} is no HTTP/2 and does not arrive`, async (context) => {
    const { gate, server } = await world(context)
    await flood(gate, [frame(FRAME.headers, END_STREAM | END_HEADERS, 1, Buffer.concat(fields))])
    assert.equal(server.arrivals.length, 0)
  })
}

test('a header field with a line feed in it is left out', async (context) => {
  const { gate, server } = await world(context)
  await flood(gate, [frame(FRAME.headers, END_STREAM | END_HEADERS, 1, Buffer.concat([get, literal('x-a', 'b\r\nx-c: d')]))])
  assert.ok(server.arrivals.every(({ raw }) => raw.every((text) => !text.startsWith('x-'))))
})

test('a body that is longer than its Content-Length is broken off', async (context) => {
  const { gate, server } = await world(context)
  const post = Buffer.concat([get, literal('content-length', '3')])
  await flood(gate, [frame(FRAME.headers, END_HEADERS, 1, post), frame(FRAME.data, END_STREAM, 1, Buffer.from('abcdef'))])
  assert.ok(server.arrivals.length <= 1)
})
