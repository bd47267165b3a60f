// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, type TestContext, test } from 'node:test'
import type { HttpHandler } from './contract.ts'
import { ask } from './http-request.ts'
import { HttpServer, type HttpServerOptions, type HttpTls, textAnswer } from './http-server.ts'

function failTest(error: unknown): never {
  throw error
}

const BODY_MAX = 1000

const echo: HttpHandler = async (request) => {
  const body = await request.body(BODY_MAX)
  return body === null ? textAnswer(413, 'too long\n') : textAnswer(200, `${request.method} ${request.path} ${body.length}\n`)
}

function start(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  return HttpServer.start({ address: '127.0.0.1', port: 0, handle: echo, onFailure: failTest, ...options })
}

function open(server: HttpServer): Socket {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  // A server that ends a connection may do so with a reset
  socket.on('error', () => undefined)
  return socket
}

/** What comes until the server ends the connection. */
async function converse(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  let answer = ''
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString('latin1')
  })
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

const size = (server: HttpServer, body: Uint8Array): Parameters<typeof ask>[0] => ({
  method: 'POST',
  url: `${server.url}/a%2e/../b?c`,
  headers: {},
  body,
  timeoutMs: 5000,
  answerBytesMax: 1000,
})

describe('the server', () => {
  test('answers one request after the other over one connection', async () => {
    await using server = await start()
    const socket = open(server)
    const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`
    const answers = await converse(socket, request('/a') + request('/b', 'connection: close\r\n'))
    assert.deepEqual(answers.match(/GET \S+ 0/g), ['GET /a 0', 'GET /b 0'])
  })

  test('hands over the path as it was sent, and the body up to its limit', async () => {
    await using server = await start()
    const answer = await ask(size(server, Buffer.alloc(BODY_MAX)))
    assert.equal(Buffer.from(answer.body).toString(), 'POST /b 1000\n')
    assert.match(await converse(open(server), 'POST /a%2e/../b?c HTTP/1.1\r\nconnection: close\r\n\r\n'), /POST \/a%2e\/\.\.\/b 0\n$/)
  })

  test('answers to a body that is too long, and reads no more of it', async () => {
    await using server = await start()
    const head = 'POST / HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n'
    assert.match(await converse(open(server), head + 'x'.repeat(5000)), /^HTTP\/1\.1 413 .*connection: close.*too long\n$/is)
    const chunked = 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n'
    assert.match(await converse(open(server), `${chunked}1000\r\n${'x'.repeat(4096)}`), /^HTTP\/1\.1 413 /)
  })

  test('ends a client that sends its headers, or its body, too slowly', async () => {
    await using server = await start({ limits: { headersMs: 300, requestMs: 600 } })
    assert.match(await converse(open(server), 'GET / HTTP/1.1\r\nx: '), /^HTTP\/1\.1 408 /)
    const answer = await converse(open(server), 'POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab')
    assert.doesNotMatch(answer, /^HTTP\/1\.1 200 /)
  })

  test('ends a client that reads too slowly', async () => {
    let isDestroyed = false
    const handle: HttpHandler = async () => {
      const body = new Readable({
        read() {
          this.push(Buffer.alloc(65_536))
        },
        destroy(_error, done) {
          isDestroyed = true
          done(null)
        },
      })
      return { status: 200, headers: {}, body }
    }
    await using server = await start({ handle, limits: { requestMs: 300, answerMs: 300 } })
    const socket = open(server)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'readable')
    socket.pause()
    while (!isDestroyed) await new Promise((resolve) => setTimeout(resolve, 20))
    socket.destroy()
  })

  test('takes no more connections than it may, and new ones once others have ended', async () => {
    await using server = await start({ limits: { connectionsMax: 2 } })
    const held = [open(server), open(server)]
    await Promise.all(held.map((socket) => once(socket, 'connect')))
    assert.equal(await converse(open(server), 'GET / HTTP/1.1\r\n\r\n'), '')
    held[0]?.destroy()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.match(await converse(open(server), 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /)
    held[1]?.destroy()
  })

  test('says nothing of what failed in it, but to its owner', async () => {
    const failures: unknown[] = []
    const handle = async (): Promise<never> => {
      throw new Error('secret path')
    }
    await using server = await start({ handle, onFailure: (error) => failures.push(error) })
    const answer = await ask(size(server, new Uint8Array()))
    assert.equal(answer.status, 500)
    assert.equal(Buffer.from(answer.body).toString(), 'internal error\n')
    assert.equal((failures[0] as Error).message, 'secret path')
  })

  for (const [title, bytes] of [
    ['what is no HTTP', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
    ['headers without end', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`],
    ['two lengths', 'POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef'],
    ['a length beside chunks', 'POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a length below zero', 'POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n'],
  ] as const)
    test(`ends ${title}, and goes on`, async () => {
      await using server = await start()
      assert.match(await converse(open(server), bytes), /^HTTP\/1\.1 4\d\d /)
      assert.equal((await ask(size(server, new Uint8Array()))).status, 200)
    })

  test('fails with a code where it cannot listen', async () => {
    await using server = await start()
    await assert.rejects(start({ port: Number(new URL(server.url).port) }), { code: 'HTTP_UNAVAILABLE' })
  })
})

describe('a request', () => {
  test('fails when nobody listens, when no answer comes in time, and when one is too long', async () => {
    await using server = await start({ handle: async () => textAnswer(200, 'x'.repeat(2000)) })
    const options = size(server, new Uint8Array())
    await assert.rejects(ask(options), { code: 'HTTP_FAILED' })
    await using silent = await start({ handle: () => new Promise(() => undefined) })
    await assert.rejects(ask({ ...size(silent, new Uint8Array()), timeoutMs: 100 }), { code: 'HTTP_FAILED' })
    await assert.rejects(ask({ ...options, url: 'http://127.0.0.1:1/' }), { code: 'HTTP_FAILED' })
  })

  test('goes over the connection of the one before it, whatever that came to', async () => {
    let connections = 0
    const plain = createServer((incoming, response) => void incoming.resume().once('end', () => response.writeHead(409).end('1\n')))
    plain.on('connection', () => {
      connections += 1
    })
    await once(plain.listen(0, '127.0.0.1'), 'listening')
    const { port } = plain.address() as AddressInfo
    for (let count = 0; count < 3; count += 1)
      await ask({
        method: 'POST',
        url: `http://127.0.0.1:${port}/`,
        headers: {},
        body: Buffer.from('x'),
        timeoutMs: 5000,
        answerBytesMax: 10,
      })
    assert.equal(connections, 1)
    plain.closeAllConnections()
    plain.close()
  })

  test('follows no redirect', async () => {
    await using server = await start({ handle: async () => textAnswer(302, '', { location: 'http://127.0.0.1:1/' }) })
    assert.equal((await ask(size(server, new Uint8Array()))).status, 302)
  })
})

describe('a server with a certificate', () => {
  test('speaks TLS, and nothing to who does not', async (t) => {
    const tls = makeCertificate(t)
    await using server = await start({ tls })
    assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    const posted = await ask({
      method: 'POST',
      url: server.url,
      headers: {},
      body: Buffer.from('x'),
      timeoutMs: 5000,
      answerBytesMax: 100,
      ca: tls.cert,
    })
    assert.equal(Buffer.from(posted.body).toString(), 'POST / 1\n')
    const answer = await converse(open(server), 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    assert.doesNotMatch(answer, /GET/)
    await assert.rejects(
      ask({ method: 'POST', url: server.url, headers: {}, body: Buffer.from('x'), timeoutMs: 5000, answerBytesMax: 100 }),
      {
        code: 'HTTP_FAILED',
      },
    )
  })

  test('does not start with what is none, and quotes nothing of it', async (t) => {
    const good = makeCertificate(t)
    const other = makeCertificate(t)
    for (const tls of [
      { ...good, key: other.key },
      { ...good, cert: 'x' },
      { cert: good.cert, key: '-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n' },
    ])
      await assert.rejects(
        start({ tls }),
        (error: Error & { code?: string }) => error.code === 'HTTP_UNAVAILABLE' && !error.message.includes('SECRET'),
      )
  })
})

function makeCertificate(t: TestContext): HttpTls {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-http-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const kind = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=test',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ]
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-days', '3650'], { stdio: 'ignore' })
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}
