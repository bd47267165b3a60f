// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { type HttpLimits, HttpServer } from '@sallyport/http'
import { type Receipt, type Shipment, StoreError } from '@sallyport/store'
import fc from 'fast-check'
import { recordsOf } from '../_receiving.ts'
import { testCertificate } from '../_test-certificate.spawn.ts'
import { ShippingError } from '../shipping-error.ts'
import { hashToken, nameOfBearer, type ShippingCredential } from './credentials.ts'
import { httpTransport } from './http-transport.ts'
import { parseReceipt } from './receipt-body.ts'
import { encodeBody, parseBody } from './shipment-body.ts'
import { type ShipmentHandlerOptions, shipmentHandler } from './shipment-handler.ts'

const SOURCE = 'host/a/00000000000000a1'
const TOKEN = 't'.repeat(40)
const TOKEN_B = 'u'.repeat(40)
const CREDENTIALS: readonly ShippingCredential[] = [
  { name: 'host/a', tokenHash: hashToken(TOKEN) },
  { name: 'host/b', tokenHash: hashToken(TOKEN_B) },
]
const SHIPMENT: Shipment = { source: SOURCE, first: 1, previous: null, records: recordsOf(SOURCE, 1, 3) }
const NEVER = new AbortController().signal
const tls = testCertificate()

function failTest(error: unknown): never {
  throw error
}

interface Serving {
  readonly url: string
  readonly received: (readonly [name: string, shipment: Shipment])[]
}

/** A handler over TLS whose receiver says `answer`. */
async function serve(
  t: TestContext,
  answer: (shipment: Shipment) => Promise<Receipt> = async ({ first, records }) => ({
    next: first + records.length,
    refused: 0,
    reason: null,
  }),
  more: Partial<ShipmentHandlerOptions> & { readonly http?: Partial<HttpLimits> } = {},
): Promise<Serving> {
  const received: [string, Shipment][] = []
  const receive = (name: string, shipment: Shipment): Promise<Receipt> => {
    received.push([name, shipment])
    return answer(shipment)
  }
  const handle = shipmentHandler({ receiver: { receive }, credentials: () => CREDENTIALS, onFailure: failTest, ...more })
  const limits = more.http ?? {}
  const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: failTest, tls, limits })
  t.after(() => server[Symbol.asyncDispose]())
  return { url: server.url, received }
}

function transportTo(url: string, more: { readonly token?: string; readonly timeoutMs?: number } = {}): ReturnType<typeof httpTransport> {
  return httpTransport({ url, token: TOKEN, ca: tls.cert, ...more })
}

describe('the body', () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const shipments = fc.record({
    id: fc.constant('00000000000000a1'),
    first: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    previous: fc.option(fc.record({ number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), hash })),
    records: fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }),
  })

  test('is read as it was written, and no shorter or longer one is', () => {
    fc.assert(
      fc.property(shipments, (content) => {
        const body = encodeBody(content)
        const parsed = parseBody(body)
        assert.ok(parsed !== null)
        assert.deepEqual(encodeBody(parsed), body)
        for (let length = 0; length < body.byteLength; length += 1) {
          const cut = parseBody(body.subarray(0, length))
          assert.equal(cut, null)
        }
        assert.equal(parseBody(Buffer.concat([body, Buffer.alloc(1)])), null)
      }),
      { numRuns: 50 },
    )
  })

  test('of any bytes is either none, or one that would be written so', () => {
    const valid = encodeBody({ id: '00000000000000a1', first: 1, previous: null, records: [Buffer.from('x'), Buffer.from('yy')] })
    fc.assert(
      fc.property(fc.nat(valid.byteLength - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(valid)
        changed[at] = value
        const parsed = parseBody(changed)
        if (parsed !== null) assert.deepEqual(encodeBody(parsed), changed)
      }),
    )
    for (const count of [10_001, 2 ** 32 - 1]) {
      const hostile = Buffer.from(valid)
      hostile.writeUInt32BE(count, 60)
      assert.equal(parseBody(hostile), null)
    }
  })

  test('of an answer is bounded, and has no control characters', () => {
    assert.deepEqual(parseReceipt(Buffer.from('{"next":3,"refused":0,"reason":null}')), { next: 3, refused: 0, reason: null })
    const hostile = parseReceipt(Buffer.from(JSON.stringify({ next: 3, refused: 1, reason: `\u001b[2J${'x'.repeat(1000)}` })))
    assert.ok((hostile?.reason?.length ?? 1000) < 300)
    assert.ok(!hostile?.reason?.includes('\u001b'))
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      '{"next":"3","refused":0,"reason":null}',
      '{"next":3,"refused":0}',
      '{"next":3,"refused":0,"reason":5}',
    ])
      assert.equal(parseReceipt(Buffer.from(text)), null, text)
  })
})

describe('credentials', () => {
  test('prove a name, whichever it is, and nothing else does', () => {
    assert.equal(nameOfBearer(`Bearer ${TOKEN}`, CREDENTIALS), 'host/a')
    assert.equal(nameOfBearer(`bearer ${TOKEN_B}`, CREDENTIALS), 'host/b')
    for (const header of [null, '', TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN} `, 'Bearer '])
      assert.equal(nameOfBearer(header, CREDENTIALS), null)
  })

  test('that could be guessed, or that would be sent in the clear, are refused', () => {
    assert.throws(() => hashToken('short'), TypeError)
    assert.throws(() => hashToken(`${TOKEN}\n`), TypeError)
    for (const url of ['http://127.0.0.1:1', 'https://a.test/x', 'https://u:p@a.test', 'https://a.test/?q', 'ftp://a.test'])
      assert.throws(() => transportTo(url), TypeError, url)
    assert.throws(() => transportTo('https://a.test', { token: 'short' }), TypeError)
  })
})

describe('shipping over HTTPS', () => {
  test('brings the records, under the name of the credential', async (t) => {
    const { url, received } = await serve(t)
    const previous = { number: 4, hash: randomBytes(32) }
    const shipment = { ...SHIPMENT, first: 5, previous, records: [...recordsOf(SOURCE, 5, 3), new Uint8Array()] }
    assert.deepEqual(await transportTo(url)(shipment, NEVER), { next: 9, refused: 0, reason: null })
    const [[name, seen] = []] = received
    assert.equal(name, 'host/a')
    assert.deepEqual(seen, { ...shipment, records: shipment.records.map((bytes) => Buffer.from(bytes)) })
    // Whatever the sender calls itself
    await transportTo(url, { token: TOKEN_B })(shipment, NEVER)
    assert.deepEqual(received[1]?.[1].source, 'host/b/00000000000000a1')
  })

  test('of the largest shipment works', async (t) => {
    const { url, received } = await serve(t)
    const records = Array.from({ length: 64 }, () => Buffer.alloc(65_535))
    assert.equal((await transportTo(url)({ ...SHIPMENT, records }, NEVER)).next, 65)
    assert.equal(received[0]?.[1].records.length, 64)
  })

  test('needs the credential before anything is read', async (t) => {
    const { url, received } = await serve(t)
    await assert.rejects(transportTo(url, { token: 'w'.repeat(40) })(SHIPMENT, NEVER), { code: 'SHIPPING_REFUSED' })
    const answer = await converse(url, 'POST /v1/shipments HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 401 /)
    assert.match(await converse(url, 'GET /v1/shipments HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1\.1 405 /)
    assert.match(await converse(url, 'POST /v1/shipments/.. HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1\.1 404 /)
    assert.equal(received.length, 0)
  })

  test('trusts the certificates that it is told, and no other', async (t) => {
    const { url, received } = await serve(t)
    const other = httpTransport({ url, token: TOKEN, ca: testCertificate().cert })
    await assert.rejects(other(SHIPMENT, NEVER), { code: 'HTTP_FAILED' })
    assert.equal(received.length, 0)
  })

  test('of what is no shipment, or too large, is refused', async (t) => {
    const { url } = await serve(t)
    const head = `POST /v1/shipments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n`
    assert.match(await converse(url, `${head}connection: close\r\ncontent-length: 3\r\n\r\nabc`), /^HTTP\/1\.1 400 /)
    assert.match(
      await converse(url, `${head}transfer-encoding: chunked\r\n\r\n500000\r\n${'x'.repeat(0x50_00_00)}\r\n`),
      /^HTTP\/1\.1 413 /,
    )
  })

  test('waits when the receiver is busy, one of many or its own', async (t) => {
    const hold = Promise.withResolvers<void>()
    const { url, received } = await serve(
      t,
      async ({ first, records }) => {
        await hold.promise
        return { next: first + records.length, refused: 0, reason: null }
      },
      { limits: { shipmentsMax: 2, shipmentsOfNameMax: 1 } },
    )
    const first = transportTo(url)(SHIPMENT, NEVER)
    while (received.length < 1) await new Promise(setImmediate)
    const isBusy = (status: string) => (error: unknown) =>
      error instanceof ShippingError && error.code === 'SHIPPING_FAILED' && error.retryAfterMs === 1000 && error.message.includes(status)
    await assert.rejects(transportTo(url)(SHIPMENT, NEVER), isBusy('429'))
    const second = transportTo(url, { token: TOKEN_B })(SHIPMENT, NEVER)
    while (received.length < 2) await new Promise(setImmediate)
    await assert.rejects(transportTo(url, { token: TOKEN_B })(SHIPMENT, NEVER), isBusy('429'))
    hold.resolve()
    await Promise.all([first, second])
    assert.equal((await transportTo(url)(SHIPMENT, NEVER)).next, 4)
  })

  test('waits when the log cannot be written, and its owner is told', async (t) => {
    const failures: string[] = []
    const errors = [
      new StoreError('STORE_FULL', 'full'),
      new StoreError('LOG_OVERLOADED', 'busy'),
      new ShippingError('SHIPPING_REFUSED', 'none'),
    ]
    const { url } = await serve(
      t,
      async () => {
        throw errors.shift() ?? new Error('none is left')
      },
      { onFailure: ({ code }) => failures.push(code) },
    )
    const transport = transportTo(url)
    await assert.rejects(
      transport(SHIPMENT, NEVER),
      (error: ShippingError) => error.retryAfterMs === 5000 && error.code === 'SHIPPING_FAILED',
    )
    await assert.rejects(
      transport(SHIPMENT, NEVER),
      (error: ShippingError) => error.retryAfterMs === 1000 && error.code === 'SHIPPING_FAILED',
    )
    await assert.rejects(transport(SHIPMENT, NEVER), { code: 'SHIPPING_REFUSED' })
    assert.deepEqual(failures, ['STORE_FULL'])
  })

  test('gives up a client that sends too slowly, and its place', async (t) => {
    const { url } = await serve(t, undefined, { limits: { shipmentsMax: 1 }, http: { headersMs: 300, requestMs: 300 } })
    const head = `POST /v1/shipments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 1000\r\n\r\nSPS1`
    assert.doesNotMatch(await converse(url, head), /^HTTP\/1\.1 200 /)
    assert.equal((await transportTo(url)(SHIPMENT, NEVER)).next, 4)
  })
})

describe('a hostile receiver', () => {
  async function serveRaw(t: TestContext, answer: (socket: TLSSocket) => void): Promise<string> {
    const server = createServer(tls, (request, response) => {
      request.resume()
      answer(response.socket as TLSSocket)
    })
    server.listen(0, '127.0.0.1')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const answers: readonly [what: string, text: string, code: string][] = [
    ['ends in the middle', 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"next":4', 'HTTP_FAILED'],
    ['says too much', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(100_000)}`, 'HTTP_FAILED'],
    ['says nothing', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'SHIPPING_FAILED'],
    ['speaks no HTTP', 'hello\r\n', 'HTTP_FAILED'],
    ['sends the client elsewhere', 'HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n', 'SHIPPING_REFUSED'],
  ]
  for (const [what, text, code] of answers)
    test(`that ${what} is no receipt`, async (t) => {
      const url = await serveRaw(t, (socket) => socket.end(text))
      await assert.rejects(transportTo(url)(SHIPMENT, NEVER), { code })
    })

  test('that never answers is left after the time', async (t) => {
    const url = await serveRaw(t, () => undefined)
    await assert.rejects(transportTo(url, { timeoutMs: 300 })(SHIPMENT, NEVER), { code: 'HTTP_FAILED' })
    const stop = new AbortController()
    const pending = transportTo(url)(SHIPMENT, stop.signal)
    stop.abort()
    await assert.rejects(pending, { code: 'HTTP_FAILED' })
  })
})

/** What comes until the server ends the connection. */
async function converse(url: string, text: string): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca: tls.cert })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  socket.write(text)
  let answer = ''
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString('latin1')
  })
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}
