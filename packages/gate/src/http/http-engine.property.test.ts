// SPDX-License-Identifier: Apache-2.0
// Bytes that nobody thought of. Whatever comes: the engine lives, and a server sees nothing but whole requests that the rules allow.
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { curl, rule, segments, sendRaw, serve, startGate, TestAuthority, type TestGate, type TestServer } from './_harness.ts'
import { parseStrictly } from './_strict-reader.ts'

const isSlow = process.env['SLOW'] === '1'
const RUNS = isSlow ? 8000 : 400
const AT_A_TIME = 50

const internet = new TestAuthority()
const sockets = new Set<Socket>()
const seen: Buffer[][] = []
const recorder = createServer((socket) => {
  const bytes: Buffer[] = []
  seen.push(bytes)
  sockets.add(socket)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    bytes.push(chunk)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
})
let plain: TestGate
let secure: TestGate
let server: TestServer

before(async () => {
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve))
  server = await serve('h2+https', { certificate: internet.for('api.test') })
  const condition = { methods: ['GET', 'POST'], paths: [segments('/ok/**')] }
  plain = await startGate({
    rules: [rule('api.test', condition, 'http')],
    servers: { 'api.test': (recorder.address() as AddressInfo).port },
    internet,
    plainName: 'api.test',
    limits: { idleMs: 300, helloMs: 300 },
  })
  secure = await startGate({
    rules: [rule('api.test', condition)],
    servers: { 'api.test': server.port },
    internet,
    limits: { idleMs: 300, helloMs: 300 },
  })
})
after(async () => {
  await Promise.all([plain.close(), secure.close()])
  recorder.close()
  server.close()
  for (const socket of sockets) socket.destroy()
})

const often = <Value>(usual: Value, ...others: readonly Value[]): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 3 * others.length, arbitrary: fc.constant(usual) }, { weight: others.length, arbitrary: fc.constantFrom(...others) })

const words = [
  'chunked',
  'identity',
  'gzip',
  'close',
  'keep-alive',
  'upgrade',
  'websocket',
  'h2c',
  '100-continue',
  'api.test',
  'evil.test',
  '0',
  '5',
  '0x5',
  '5, 5',
  '',
]
const names = [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Upgrade',
  'Expect',
  'TE',
  'X-HTTP-Method-Override',
  'Content-length ',
  ' Host',
  'Trailer',
]
const ending = often('\r\n', '\n', '\r', '\r\n ', '\0')
const line = fc
  .tuple(often('X', ...names), often(': ', ':', ' : ', ':\t', ''), fc.constantFrom(...words), ending)
  .map((parts) => parts.join(''))
const path = often(
  '/ok/1',
  '/ok/2',
  '/ok/../x',
  '/ok/%2e%2e/x',
  '//ok/1',
  '/x',
  '*',
  'http://api.test/ok/2',
  'http://evil.test/ok/3',
  '/ok/1?_method=DELETE',
  '/ok/\xff',
  '/ok/1#x',
)
const start = fc.tuple(
  often('GET', 'POST', 'DELETE', 'CONNECT', 'PRI', 'get'),
  path,
  often('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', ''),
)
const hidden = 'GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n'
const framed = fc.constantFrom(
  '\r\n',
  'Content-Length: 5\r\n\r\nhello',
  `Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n',
  `\r\n${hidden}`,
)
const request = fc
  .tuple(start, ending, often(true, false), fc.array(line, { maxLength: 3 }), framed)
  .map(([first, end, hasHost, lines, rest]) => `${first.join(' ')}${end}${hasHost ? 'Host: api.test\r\n' : ''}${lines.join('')}${rest}`)
const changes = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
const mutated = fc.tuple(request, changes).map(([text, list]) => {
  const bytes = Buffer.from(text, 'latin1')
  for (const [at, value] of list) bytes[at % bytes.length] = value
  return bytes
})
const anything = fc.oneof(
  { weight: 6, arbitrary: fc.array(mutated, { minLength: 1, maxLength: 3 }).map((parts) => Buffer.concat(parts)) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
)

async function sendAll(inputs: readonly Buffer[], send: (input: Buffer) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < inputs.length; at += AT_A_TIME) await Promise.all(inputs.slice(at, at + AT_A_TIME).map(send))
}

test('random and mutated requests: a server sees what the rules allow, in one form, or nothing', async () => {
  const inputs = fc.sample(anything, { numRuns: RUNS })
  await sendAll(inputs, (input) => sendRaw(plain, input))
  let requests = 0
  for (const bytes of seen) {
    const parsed = parseStrictly(Buffer.concat(bytes))
    assert.ok(parsed !== null, Buffer.concat(bytes).toString('latin1'))
    for (const { method, target, host } of parsed) {
      requests += 1
      assert.ok(
        ['GET', 'POST'].includes(method) && /^\/ok\/[12]$/.test(target.split('?')[0] ?? '') && host === 'api.test',
        `${method} ${target} ${host}`,
      )
    }
  }
  assert.ok(requests > RUNS / 100, `only ${requests} got through: the test sends nothing but garbage`)
  assert.equal(
    plain.requests.every(({ path }) => /^\/ok\/[12]$/.test(path)),
    true,
  )
})

test('random bytes inside TLS, as HTTP/1 and as HTTP/2, and in the middle of a handshake', async () => {
  const inputs = fc.sample(anything, { numRuns: RUNS / 4 })
  await sendAll(inputs, (input) => sendRaw(secure, input, 'api.test'))
  await sendAll(inputs, (input) => sendRaw(secure, input, { name: 'api.test', protocol: 'h2' }))
  await sendAll(inputs, (input) => sendRaw(secure, '', { name: 'api.test', handshake: input }))
  assert.ok(server.arrivals.every(({ method, url }) => ['GET', 'POST'].includes(method) && url.startsWith('/ok/')))
  // On a busy machine a client may be too slow for this gate, which waits for 300 ms
  let answer = ''
  for (let attempt = 0; answer !== 'hello' && attempt < 100; attempt += 1) answer = (await curl(secure, 'https://api.test/ok/1')).stdout
  assert.equal(answer, 'hello')
})

const answerLine = fc.constantFrom(
  ...[
    'HTTP/1.1 200 OK',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 204 No',
    'HTTP/1.1 304 Not',
    'HTTP/1.1 100 Go',
    'HTTP/1.1 103 Hint',
    'HTTP/1.1 101 Switch',
  ],
  ...[
    'Content-Length: 5',
    'Content-Length: 0',
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Connection: Upgrade',
    'Upgrade: websocket',
    '',
  ],
  ...['hello', '5', '0', '\0'],
)
const answers = fc.record({
  bytes: fc.array(fc.tuple(answerLine, ending), { maxLength: 8 }).map((lines) => `HTTP/1.1 200 OK\r\n${lines.flat().join('')}`),
  end: fc.constantFrom('ends', 'breaks', 'stays'),
})

test('random answers of a server end its own connection, whatever waits for more', async (context) => {
  const planned = fc.sample(answers, { numRuns: RUNS })
  const hostile = createServer((socket) => {
    const { bytes, end } = planned.pop() ?? { bytes: '', end: 'ends' }
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', () => {
      if (end === 'ends') socket.end(bytes)
      else socket.write(bytes, () => end === 'breaks' && socket.destroy())
    })
  })
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve))
  const servers = { 'api.test': (hostile.address() as AddressInfo).port }
  const rules = [rule('api.test', { websocket: true }, 'http')]
  const gate = await startGate({ rules, servers, internet, plainName: 'api.test', limits: { idleMs: 300 } })
  const head = 'Host: api.test\r\n'
  const asked = [
    `GET /1 HTTP/1.1\r\n${head}\r\nGET /2 HTTP/1.1\r\n${head}\r\n`,
    `HEAD /1 HTTP/1.1\r\n${head}\r\nGET /2 HTTP/1.1\r\n${head}\r\n`,
    `POST /1 HTTP/1.1\r\n${head}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello`,
    `GET /1 HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nhello`,
  ]
  const inputs = Array.from({ length: RUNS }, (_, index) => Buffer.from(asked[index % asked.length] ?? ''))
  context.after(async () => {
    await gate.close()
    hostile.close()
  })
  // On a busy machine some are too slow to ask
  for (let round = 0; planned.length >= RUNS / 2 && round < 20; round += 1) await sendAll(inputs, (input) => sendRaw(gate, input))
  assert.ok(planned.length < RUNS / 2, `${planned.length} answers were not asked for`)
})
