// SPDX-License-Identifier: Apache-2.0
// One request and its answer, between real clients and servers: what HTTP allows them has to work, and what breaks has to break for both.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  curl,
  curlArguments,
  type GateOptions,
  http2Request,
  http2Session,
  type Output,
  rule,
  run,
  type ServeOptions,
  type ServerKind,
  sendRaw,
  serve,
  startGate,
  TestAuthority,
  type TestGate,
  type TestServer,
  upload,
} from './_harness.ts'

const internet = new TestAuthority()

interface World {
  readonly gate: TestGate
  readonly server: TestServer
}

async function world(
  context: TestContext,
  kind: ServerKind,
  options: ServeOptions = {},
  gateOptions: Partial<GateOptions> = {},
): Promise<World> {
  const server = await serve(kind, { certificate: internet.for('api.test'), ...options })
  const rules = [rule('api.test', {}, kind === 'http' ? 'http' : 'tls')]
  const gate = await startGate({ rules, servers: { 'api.test': server.port }, internet, plainName: 'api.test', ...gateOptions })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

const kinds = ['http', 'https', 'h2'] as const
const urlOf = (kind: ServerKind, path: string): string => `${kind === 'http' ? 'http' : 'https'}://api.test${path}`

for (const kind of kinds) {
  test(`${kind}: bodies of both directions arrive as they were sent`, async (context) => {
    const { gate, server } = await world(context, kind, { respond: (_request, response, body) => void response.end(body.toUpperCase()) })
    const sent = randomBytes(300_000).toString('hex')
    const { stdout, stderr } = await upload(gate, sent, '-H', 'Expect:', urlOf(kind, '/'))
    assert.equal(stdout, sent.toUpperCase(), stderr)
    assert.equal(server.arrivals[0]?.body, sent)
    assert.ok(gate.bytes.out > 600_000 && gate.bytes.in > 600_000)
  })

  test(`${kind}: a client that asks before it sends (Expect: 100-continue) is told to go on by the server`, async (context) => {
    const { gate } = await world(context, kind, {
      respond: (request, response, body) => void response.end(`${request.headers['expect']} ${body.length}`),
    })
    const startedAt = performance.now()
    const waits = ['-m', '120', '--expect100-timeout', '60']
    const { stdout } = await curl(gate, ...waits, '-H', 'Expect: 100-continue', '-d', 'x'.repeat(5000), urlOf(kind, '/'))
    assert.match(stdout, / 5000$/)
    // curl would wait for a minute.
    assert.ok(performance.now() - startedAt < 55_000)
  })

  test(`${kind}: answers without a body have none, with the length that they would have`, async (context) => {
    const respond: ServeOptions['respond'] = (request, response) => {
      const status = Number(request.url?.slice(1))
      response.writeHead(status, status === 204 ? {} : { 'content-length': '1234', etag: '"x"' })
      response.end()
    }
    const { gate } = await world(context, kind, { respond })
    for (const [status, flags] of [
      [200, ['-I']],
      [204, []],
      [304, []],
    ] as const) {
      const { stdout, code, stderr } = await curl(gate, '-i', ...flags, urlOf(kind, `/${status}`))
      assert.equal(code, 0, stderr)
      assert.match(stdout, new RegExp(`^HTTP/(1\\.1|2) ${status} `))
      if (status !== 204) assert.match(stdout, /content-length: 1234/i)
    }
  })

  test(`${kind}: an answer that the server breaks off is broken off for the client`, async (context) => {
    const { gate } = await world(context, kind, {
      respond(_request, response) {
        response.writeHead(200, { 'content-type': 'text/plain' })
        // In HTTP/2 the stream is broken off, and not the connection.
        const { stream } = response as { readonly stream?: Duplex }
        response.write('half', () => setTimeout(() => (stream ?? response.socket)?.destroy(new Error('given up')), 20))
      },
    })
    const { code, stdout } = await curl(gate, urlOf(kind, '/'))
    assert.equal(stdout, 'half')
    assert.notEqual(code, 0)
  })

  test(`${kind}: a body that the client breaks off never looks whole to the server`, async (context) => {
    const { gate, server } = await world(context, kind)
    if (kind === 'h2') {
      const session = http2Session(gate, 'api.test')
      const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false })
      stream.on('error', () => stream.destroy())
      stream.write('half')
      await sleep(50)
      stream.destroy(new Error('given up'))
      await sleep(100)
      session.destroy()
    } else {
      await sendRaw(gate, 'POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 100\r\n\r\nhalf', kind === 'https' ? 'api.test' : undefined)
      await sendRaw(
        gate,
        'POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
        kind === 'https' ? 'api.test' : undefined,
      )
    }
    await sleep(50)
    assert.ok(server.arrivals.every(({ body }) => body === '<broken off>'))
  })

  test(`${kind}: a budget that runs out in the middle of a body ends the request`, async (context) => {
    const { gate, server } = await world(context, kind, {}, { budget: 200_000 })
    const { stdout, code } = await upload(gate, 'x'.repeat(1_000_000), '-H', 'Expect:', '-w', '%{http_code}', urlOf(kind, '/'))
    assert.ok(code !== 0 || stdout.endsWith('403'), stdout)
    assert.deepEqual(
      gate.refusals.map((refusal) => refusal.code),
      ['budget'],
    )
    assert.ok(server.arrivals.every(({ body }) => body === '<broken off>'))
  })

  test(`${kind}: requests of one connection go over one connection`, async (context) => {
    const { gate, server } = await world(context, kind)
    let connections = 0
    server.server.on('connection', () => {
      connections += 1
    })
    const { stdout } = await curl(gate, ...['/1', '/2', '/3'].map((path) => urlOf(kind, path)))
    assert.equal(stdout, 'hellohellohello')
    assert.equal(connections, 1)
    assert.deepEqual(gate.dials, ['api.test'])
  })

  test(`${kind}: a server that answers before it has everything is heard`, async (context) => {
    const stream: ServeOptions['stream'] = (request, response) => {
      response.writeHead(413, { 'content-length': '7' })
      response.end('too big')
      request.resume()
    }
    const { gate } = await world(context, kind, { stream })
    const { stdout } = await upload(gate, 'x'.repeat(3_000_000), '-H', 'Expect:', '-w', ' %{http_code}', urlOf(kind, '/'))
    assert.equal(stdout, 'too big 413')
  })

  test(`${kind}: what is for one hop only, and what would open another door, is not passed on`, async (context) => {
    const respond: ServeOptions['respond'] = (_request, response) => {
      response.setHeader('alt-svc', 'h3=":443"')
      response.setHeader('x-sallyport-refused', 'forged')
      if (kind !== 'h2') response.setHeader('keep-alive', 'timeout=5')
      response.setHeader('x-kept', 'yes')
      response.end()
    }
    const { gate, server } = await world(context, kind, { respond })
    const { stdout } = await curl(
      gate,
      '-i',
      '-H',
      'Proxy-Authorization: Basic eA==',
      '-H',
      'X-Mine: 1',
      '-H',
      'Keep-Alive: 5',
      urlOf(kind, '/'),
    )
    assert.match(stdout, /x-kept: yes/i)
    assert.doesNotMatch(stdout, /alt-svc|sallyport|keep-alive: timeout/i)
    const names = Object.keys(server.arrivals[0]?.headers ?? {})
    assert.ok(names.includes('x-mine') && !names.some((name) => /^proxy-|keep-alive|^via$|forwarded/.test(name)), names.join())
  })

  test(`${kind}: the end of a step ends what it has open`, async (context) => {
    const { gate } = await world(context, kind, { stream: (_request, response) => void response.write('beginning') })
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-exchange-'))
    context.after(() => rmSync(directory, { recursive: true }))
    const answer = join(directory, 'answer')
    const asked = curl(gate, '-N', '-o', answer, urlOf(kind, '/'))
    const hasBegun = (): boolean => existsSync(answer) && readFileSync(answer, 'utf8') === 'beginning'
    for (let look = 0; look < 2000 && !hasBegun(); look += 1) await sleep(10)
    gate.step.abort()
    const { code } = await asked
    assert.equal(readFileSync(answer, 'utf8'), 'beginning')
    assert.notEqual(code, 0)
    assert.equal(gate.open.size, 0)
  })

  test(`${kind}: a connection over which nothing is said for too long ends`, async (context) => {
    const stream: ServeOptions['stream'] = (_request, response) => void response.write('beginning')
    // On a busy machine nothing may be said for longer before it begins
    for (const idleMs of [200, 2000, 20_000]) {
      const { gate } = await world(context, kind, { stream }, { limits: { idleMs } })
      const { code, stdout } = await curl(gate, urlOf(kind, '/'))
      assert.notEqual(code, 0)
      if (stdout === 'beginning') return
    }
    assert.fail('it ended before the server could say anything')
  })
}

for (const kind of ['http', 'https', 'h2'] as const) {
  test(`${kind}: what flows, either way, is not kept`, async (context) => {
    const bytes = 256 * 1024 * 1024
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const stream: ServeOptions['stream'] = (request, response) => {
      let received = 0
      request.on('data', (data: Buffer) => {
        received += data.length
      })
      request.on('end', () => {
        response.setHeader('x-received', String(received))
        Readable.from(chunks(bytes, chunk)).pipe(response)
      })
    }
    const { gate } = await world(context, kind, { stream })
    const before = process.memoryUsage().rss
    let highest = before
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage().rss)
    }, 20).unref()
    const { stdout, stderr } = await pipeZeros(gate, bytes, urlOf(kind, '/'))
    clearInterval(watch)
    assert.match(stdout, new RegExp(`x-received: ${bytes}\\b`, 'i'), stderr)
    assert.match(stdout, new RegExp(`downloaded ${bytes}$`))
    // Of what flowed twice. The test's own server and its garbage are in it, too: 50 to 170 MiB.
    assert.ok(highest - before < bytes, `${Math.round((highest - before) / 1048576)} MiB more`)
  })
}

function* chunks(bytes: number, chunk: Buffer): Generator<Buffer> {
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
}

async function pipeZeros(gate: TestGate, bytes: number, url: string): Promise<Output> {
  const args = [...curlArguments(gate), '-m', '60', '-H', 'Expect:', '-T', '-', '-X', 'POST', '-o', '/dev/null', '-D', '-']
  return await run('bash', ['-c', `head -c ${bytes} /dev/zero | curl "$@"`, 'bash', ...args, '-w', 'downloaded %{size_download}', url])
}

test('trailers of a gRPC answer arrive, also where there is nothing but them', async (context) => {
  const { gate, server } = await world(context, 'h2')
  server.server.removeAllListeners('request').removeAllListeners('stream')
  server.server.on('stream', (stream: ServerHttp2Stream, headers: Record<string, string>) => {
    if (headers[':path'] === '/only') {
      stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine', 'x-te': String(headers['te']) }))
    stream.end('message')
  })
  const session = http2Session(gate, 'api.test')
  const post = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
  const full = await http2Request(session, { ...post, ':path': '/full' }, 'question')
  assert.deepEqual([full.status, full.body, full.code], [200, 'message', 0])
  assert.deepEqual([full.trailers['grpc-status'], full.trailers['x-te']], ['0', 'trailers'])
  const only = await http2Request(session, { ...post, ':path': '/only' }, 'question')
  assert.deepEqual([only.status, only.headers['grpc-status'], only.code], [200, '5', 0])
  session.close()
})

test('HTTP/2 streams both ways at the same time', async (context) => {
  const { gate, server } = await world(context, 'h2')
  server.server.removeAllListeners('request').removeAllListeners('stream')
  server.server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const session = http2Session(gate, 'api.test')
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false })
  const answers: string[] = []
  stream.on('data', (chunk: Buffer) => answers.push(chunk.toString()))
  // Each comes back before the next is sent.
  for (const [index, word] of ['one', 'two', 'three'].entries()) {
    stream.write(word)
    for (let look = 0; look < 2000 && answers.length <= index; look += 1) await sleep(10)
  }
  assert.deepEqual(answers, ['one', 'two', 'three'])
  const closed = new Promise((resolve) => stream.once('close', resolve))
  stream.end()
  await closed
  assert.equal(stream.rstCode, 0)
  session.close()
})

test('a hundred requests of one HTTP/2 session at the same time', async (context) => {
  const { gate } = await world(context, 'h2', {
    respond: async (request, response) => void setTimeout(() => response.end(request.url), 20),
  })
  const session = http2Session(gate, 'api.test')
  const paths = Array.from({ length: 100 }, (_, index) => `/${index}`)
  const answers = await Promise.all(paths.map((path) => http2Request(session, { ':path': path })))
  assert.deepEqual(
    answers.map(({ body }) => body),
    paths,
  )
  session.close()
})

const parallel = (gate: TestGate, count: number): Promise<Output> => {
  const urls = Array.from({ length: count }, (_, index) => ['-o', '/dev/null', urlOf('h2', `/${index}`)]).flat()
  return curl(gate, '--http2', '-Z', '--parallel-max', '20', '-w', '%{http_code}\n', ...urls)
}

// curl, and so cargo, resets a stream that has all of its length but not yet its end: hundreds of those end a session.
test('hundreds of answers with a length over one HTTP/2 session', async (context) => {
  const respond: ServeOptions['respond'] = (_request, response) => {
    response.setHeader('content-length', 5)
    response.write('hello')
    setImmediate(() => response.end())
  }
  const { gate } = await world(context, 'h2', { respond })
  const { stdout, stderr } = await parallel(gate, 500)
  assert.equal(stdout, '200\n'.repeat(500), stderr)
  assert.deepEqual(gate.dials, ['api.test'])
  assert.deepEqual(gate.refusals, [])
})

test('a server that ends an HTTP/2 session after some requests, as nginx does, costs no request', async (context) => {
  const { gate, server } = await world(context, 'h2')
  let sessions = 0
  server.server.on('session', (session: ServerHttp2Session) => {
    sessions += 1
    let streams = 0
    session.on('stream', ({ id }: ServerHttp2Stream) => {
      streams += 1
      if (streams === 20) session.goaway(0, id)
    })
  })
  const { stdout, stderr } = await parallel(gate, 120)
  assert.equal(stdout, '200\n'.repeat(120), stderr)
  assert.ok(sessions >= 6, `${sessions}`)
  assert.deepEqual(gate.refusals, [])
})

test('what a server has not begun with is sent again where it has no body, and else given back', async (context) => {
  const { gate, server } = await world(context, 'h2')
  const begun: string[] = []
  server.server.removeAllListeners('request').removeAllListeners('stream')
  server.server.on('stream', (stream: ServerHttp2Stream, headers: Record<string, string>) => {
    begun.push(String(headers[':method']))
    stream.on('error', () => stream.destroy())
    stream.close(constants.NGHTTP2_REFUSED_STREAM)
  })
  const session = http2Session(gate, 'api.test')
  for (const [method, body] of [
    ['GET', undefined],
    ['POST', 'text'],
  ] as const) {
    const stream = session.request({ ':method': method, ':path': '/' }, { endStream: body === undefined })
    stream.on('error', () => stream.destroy())
    if (body !== undefined) stream.end(body)
    await new Promise((resolve) => stream.once('close', resolve))
    assert.equal(stream.rstCode, constants.NGHTTP2_REFUSED_STREAM)
  }
  session.close()
  assert.deepEqual(begun, ['GET', 'GET', 'GET', 'POST'])
  assert.deepEqual(gate.refusals, [])
})

test('pipelined requests are answered in order, each judged for itself', async (context) => {
  const rules = [rule('api.test', { methods: ['GET'] }, 'http')]
  const respond: ServeOptions['respond'] = async (request, response) => {
    await sleep(request.url === '/1' ? 60 : 0)
    response.end(request.url)
  }
  const { gate, server } = await world(context, 'http', { respond }, { rules })
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: api.test\r\n\r\n`
  const answer = await sendRaw(gate, `${get('/1')}DELETE /2 HTTP/1.1\r\nHost: api.test\r\n\r\n${get('/3')}${get('/4')}`)
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200', 'HTTP/1.1 200'])
  assert.deepEqual(
    server.arrivals.map(({ url }) => url),
    ['/1', '/3', '/4'],
  )
})

for (const [what, answer] of Object.entries({
  'that says so': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast',
  'that only ends with the connection': 'HTTP/1.1 200 OK\r\n\r\nlast',
})) {
  test(`what is pipelined behind the last answer of a server, ${what}, is left to another connection`, async (context) => {
    const { gate, server } = await world(context, 'http')
    server.server.removeAllListeners('connection')
    server.server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => socket.end(answer))
    })
    const get = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'
    const answers = await sendRaw(gate, get + get + get)
    assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, 1, answers)
    assert.match(answers, /last(\r\n0\r\n\r\n)?$/)
    assert.deepEqual(gate.refusals, [])
    assert.equal((await curl(gate, 'http://api.test/', 'http://api.test/')).stdout, 'lastlast')
  })
}

test('a server that gives up while others wait harms nobody else', async (context) => {
  for (const bytes of ['', 'no HTTP at all\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\nbut a body']) {
    const { gate, server } = await world(context, 'http')
    server.server.removeAllListeners('connection')
    server.server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => socket.end(bytes))
    })
    const answers = await sendRaw(gate, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'.repeat(3))
    assert.match(answers, /^HTTP\/1\.1 (204|502)/)
  }
})

test('a flood of pipelined requests is cut off', async (context) => {
  const { gate, server } = await world(context, 'http', {
    respond: async (_request, response) => void setTimeout(() => response.end('x'), 50),
  })
  const answer = await sendRaw(gate, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'.repeat(20_000))
  assert.equal(answer, '')
  assert.ok(server.arrivals.length <= 1)
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['malformed'],
  )
})

test('as many pipelined requests as a package manager sends are answered', async (context) => {
  const { gate } = await world(context, 'http')
  const answer = await sendRaw(gate, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'.repeat(20))
  assert.equal(answer.match(/hello/g)?.length, 20)
})

test('HTTP/1.0 is spoken with a client that speaks it', async (context) => {
  const { gate, server } = await world(context, 'http')
  const answer = await sendRaw(gate, 'GET /old HTTP/1.0\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhello$/)
  assert.doesNotMatch(answer, /chunked/i)
  assert.equal(server.arrivals[0]?.headers.host, 'api.test')
})

for (const kind of ['http', 'https'] as const) {
  test(`${kind}: a server that ends the connection behind a large answer takes none of it back from a slow client`, async (context) => {
    const content = 'x'.repeat(4_000_000)
    const respond: ServeOptions['respond'] = (_request, response) => {
      response.setHeader('connection', 'close')
      response.end(content)
    }
    const { gate } = await world(context, kind, { respond })
    const { stdout, code } = await curl(gate, '--limit-rate', '3M', urlOf(kind, '/'))
    assert.deepEqual([stdout.length, code], [content.length, 0])
    const asHttp10 = await curl(gate, '-0', urlOf(kind, '/'))
    assert.deepEqual([asHttp10.stdout.length, asHttp10.code], [content.length, 0])
  })
}

test('interim answers that nobody asked for are left out', async (context) => {
  const stream: ServeOptions['stream'] = (_request, response) => {
    response.writeEarlyHints({ link: '</x>; rel=preload' })
    response.end('done')
  }
  for (const kind of kinds) {
    const { gate } = await world(context, kind, { stream })
    const { stdout } = await curl(gate, '-i', urlOf(kind, '/'))
    assert.doesNotMatch(stdout, / 103/)
    assert.match(stdout, /done$/)
  }
})

for (const [what, head] of Object.entries({
  'a length and chunks': '200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked',
  'two lengths': '200 OK\r\nContent-Length: 1\r\nContent-Length: 2',
  'a compressed body in chunks': '200 OK\r\nTransfer-Encoding: gzip, chunked',
  'a compressed body without chunks': '200 OK\r\nTransfer-Encoding: chunked, gzip',
  'a body that is "identity"': '200 OK\r\nTransfer-Encoding: identity',
  'chunks twice': '200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'a fold in a field': '200 OK\r\nX: a\r\n b',
  'a NUL in a field': '200 OK\r\nX: a\0b',
  'another protocol that nobody asked for': '101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket',
  'a switch to nothing': '101 Switching Protocols',
  'a status that is none': '099 What',
})) {
  test(`an answer with ${what} is refused with the reason`, async (context) => {
    const { gate, server } = await world(context, 'http')
    server.server.removeAllListeners('connection')
    server.server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy())
      socket.end(`HTTP/1.1 ${head}\r\n\r\n1\r\nx\r\n0\r\n\r\n`)
    })
    const { stdout } = await curl(gate, '-i', 'http://api.test/')
    assert.match(stdout, /^HTTP\/1\.1 502 /)
    assert.match(stdout, /the server's answer is no valid HTTP/)
    assert.deepEqual(
      gate.refusals.map(({ code }) => code),
      ['unreachable'],
    )
  })
}

test('no field of an answer is left out for being one of many', async (context) => {
  const { gate, server } = await world(context, 'http')
  server.server.removeAllListeners('connection')
  server.server.on('connection', (socket: Socket) =>
    socket.end(`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(2500)}Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n`),
  )
  assert.match(await sendRaw(gate, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'), /\r\nContent-Encoding: gzip\r\n/)
})

test('header fields keep their bytes, their order and their repetition', async (context) => {
  const respond: ServeOptions['respond'] = (_request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.setHeader('x-latin', 'caf\u00e9')
    response.end()
  }
  const { gate, server } = await world(context, 'http', { respond })
  const answer = await sendRaw(gate, 'GET / HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\nX-B: caf\u00e9\r\nX-A: 2\r\n\r\n')
  assert.match(answer, /set-cookie: a=1\r\nset-cookie: b=2\r\n/i)
  assert.match(answer, /x-latin: caf\u00e9\r\n/i)
  assert.deepEqual(server.arrivals[0]?.raw.slice(2, 8), ['X-A', '1', 'X-B', 'caf\u00e9', 'X-A', '2'])
})

test('a large answer arrives byte for byte over each protocol', async (context) => {
  const content = randomBytes(3_000_000)
  const digest = createHash('sha256').update(content).digest('hex')
  for (const kind of kinds) {
    const { gate } = await world(context, kind, { respond: (_request, response) => void response.end(content) })
    const { stdout } = await run('bash', ['-c', 'curl "$@" | sha256sum', 'bash', ...curlArguments(gate), urlOf(kind, '/')])
    assert.equal(stdout.slice(0, 64), digest)
  }
})
