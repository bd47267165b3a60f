// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type GateOptions, rule, sendRaw, serve, startGate, TestAuthority, type TestGate, type TestServer } from './_harness.ts'

const internet = new TestAuthority()
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = (key: string): string => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const open = (more: string = ''): string =>
  `GET /socket HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${more}\r\n`

type Upgrade = (socket: Socket, key: string) => void
const echo: Upgrade = (socket, key) => {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\nwelcome `,
  )
  socket.on('data', (bytes: Buffer) => socket.write(bytes))
  socket.on('end', () => socket.end())
}

async function world(
  context: TestContext,
  secure: boolean,
  upgrade: Upgrade,
  options: Partial<GateOptions> = {},
): Promise<{ gate: TestGate; server: TestServer }> {
  const server = await serve(secure ? 'https' : 'http', { certificate: internet.for('api.test') })
  server.server.on('upgrade', (request: { headers: Record<string, string> }, socket: Socket) => {
    socket.on('error', () => socket.destroy())
    upgrade(socket, request.headers['sec-websocket-key'] ?? '')
  })
  const rules = [rule('api.test', { websocket: true }, secure ? 'tls' : 'http')]
  const gate = await startGate({ rules, servers: { 'api.test': server.port }, internet, plainName: 'api.test', ...options })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

for (const secure of [false, true]) {
  test(`a websocket ${secure ? 'inside terminated TLS' : 'in clear text'} carries bytes both ways, also those sent ahead`, async (context) => {
    const { gate } = await world(context, secure, echo)
    const answer = await sendRaw(gate, `${open()}ping`, secure ? 'api.test' : undefined)
    assert.match(answer, /^HTTP\/1\.1 101 [\s\S]*\r\n\r\nwelcome ping$/)
    assert.deepEqual(gate.requests, [{ method: 'GET', path: '/socket' }])
    assert.ok(gate.bytes.out > 4 && gate.bytes.in > 12)
  })
}

test('without a rule for websockets it is refused, and the server is not called', async (context) => {
  const { gate } = await world(context, false, echo, { rules: [rule('api.test', {}, 'http')] })
  assert.match(await sendRaw(gate, `${open()}ping`), /^HTTP\/1\.1 403 [\s\S]*x-sallyport-refused: upgrade/)
  assert.deepEqual(gate.dials, [])
})

test('a server that does not prove that it speaks the protocol opens nothing', async (context) => {
  const liar: Upgrade = (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: forged\r\n\r\n')
    socket.on('data', (bytes: Buffer) => assert.fail(`reached the server: ${bytes.toString()}`))
  }
  const { gate } = await world(context, false, liar)
  assert.match(await sendRaw(gate, `${open()}GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n`), /^HTTP\/1\.1 403 [\s\S]*did not prove/)
})

test('what follows a request that the server did not switch for goes nowhere', async (context) => {
  const refuses: Upgrade = (socket) => {
    socket.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno')
    socket.on('data', (bytes: Buffer) => assert.fail(`reached the server: ${bytes.toString()}`))
  }
  const { gate } = await world(context, false, refuses)
  assert.match(await sendRaw(gate, `${open()}GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n`), /^HTTP\/1\.1 426 [\s\S]*\r\n\r\nno$/)
})

test('a budget ends a websocket', async (context) => {
  const { gate } = await world(context, false, echo, { budget: 5000 })
  const answer = await sendRaw(gate, open() + 'x'.repeat(10_000))
  assert.ok(answer.length < 5000)
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['budget'],
  )
})
