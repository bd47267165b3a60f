// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import type { ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Substitution } from '../contract.ts'
import {
  curl,
  type GateOptions,
  http2Request,
  http2Session,
  rule,
  type ServeOptions,
  type ServerKind,
  segments,
  serve,
  startGate,
  TestAuthority,
  type TestGate,
  type TestServer,
  upload,
} from './_harness.ts'

const internet = new TestAuthority()
const VALUE = 'k3y+/real"value=with~everything'
const PLACEHOLDER = 'sp_placeholder_3f9c0b7e5a1d4c86'

function substitution(place: Substitution['rule']['in'], more: Partial<Substitution['rule']> = {}, value: string = VALUE): Substitution {
  return {
    rule: { name: 'TOKEN', hosts: [{ kind: 'exact', name: 'api.test' }], in: place, methods: null, paths: null, ...more },
    placeholder: PLACEHOLDER,
    value,
  }
}

const inAuthorization = [substitution({ header: 'authorization' })]

interface World {
  readonly gate: TestGate
  readonly server: TestServer
}

async function world(
  context: TestContext,
  substitutions: readonly Substitution[],
  { kind = 'https', ...serveOptions }: ServeOptions & { readonly kind?: ServerKind } = {},
  options: Partial<GateOptions> = {},
): Promise<World> {
  const server = await serve(kind, { certificate: internet.for('api.test'), ...serveOptions })
  const rules = [rule('api.test'), rule('other.test'), rule('api.test', {}, 'http')]
  const gate = await startGate({ rules, servers: { 'api.test': server.port }, internet, plainName: 'api.test', substitutions, ...options })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

const codes = (gate: TestGate): string[] => gate.refusals.map(({ code }) => code)
const alerts = (gate: TestGate): string[] => gate.alerts.map(({ kind }) => kind)

test('a placeholder in the declared header becomes the value, as a whole, as a part, and within Basic credentials', async (context) => {
  const { gate, server } = await world(context, inAuthorization)
  const basic = Buffer.from(`user:${PLACEHOLDER}`).toString('base64')
  for (const header of [PLACEHOLDER, `Bearer ${PLACEHOLDER}`, `Basic ${basic}`])
    await curl(gate, '-H', `Authorization: ${header}`, 'https://api.test/')
  const seen = server.arrivals.map(({ headers }) => headers.authorization)
  assert.deepEqual(seen, [VALUE, `Bearer ${VALUE}`, `Basic ${Buffer.from(`user:${VALUE}`).toString('base64')}`])
  assert.deepEqual(codes(gate), [])
})

test('over HTTP/2 too', async (context) => {
  const { gate, server } = await world(context, inAuthorization, { kind: 'h2' })
  const session = http2Session(gate, 'api.test')
  const { status } = await http2Request(session, { ':path': '/', authorization: `Bearer ${PLACEHOLDER}` })
  assert.equal(status, 200)
  assert.equal(server.arrivals[0]?.headers.authorization, `Bearer ${VALUE}`)
  session.close()
})

test('a placeholder in the declared query parameter becomes the encoded value, and the record has the path only', async (context) => {
  const { gate, server } = await world(context, [substitution({ query: 'api key' })])
  await curl(gate, `https://api.test/x?a=%20b&api%20key=${PLACEHOLDER}&c`)
  const url = new URL(server.arrivals[0]?.url ?? '', 'https://api.test')
  assert.equal(url.searchParams.get('api key'), VALUE)
  assert.match(server.arrivals[0]?.url ?? '', /^\/x\?a=%20b&api%20key=[^&]+&c$/)
  assert.deepEqual(gate.requests, [{ method: 'GET', path: '/x' }])
})

test('a placeholder in the declared field of a JSON body becomes the escaped value; nothing else of the document changes', async (context) => {
  const { gate, server } = await world(context, [substitution({ body: 'auth.token' })])
  const document = `{ "big": 12345678901234567890, "auth": {"token" : "Bearer ${PLACEHOLDER}"}, "big": 1.0 }`
  await upload(gate, document, '-H', 'Content-Type: application/json', 'https://api.test/')
  await upload(
    gate,
    document,
    '-H',
    'Content-Type: application/vnd.x+json; charset=utf-8',
    '-H',
    'Transfer-Encoding: chunked',
    'https://api.test/',
  )
  for (const { body, headers } of server.arrivals) {
    assert.equal(body, document.replace(PLACEHOLDER, JSON.stringify(VALUE).slice(1, -1)))
    assert.equal(headers['content-length'], String(body.length))
  }
  assert.equal(server.arrivals.length, 2)
})

test('a placeholder in the declared field of a form becomes the encoded value', async (context) => {
  const { gate, server } = await world(context, [substitution({ body: 'client_secret' })])
  await curl(gate, '-d', 'grant=x%20y', '-d', `client_secret=${PLACEHOLDER}`, 'https://api.test/token')
  assert.equal(new URLSearchParams(server.arrivals[0]?.body).get('client_secret'), VALUE)
  assert.match(server.arrivals[0]?.body ?? '', /^grant=x%20y&/)
})

const misplaced: Readonly<Record<string, readonly string[]>> = {
  'another header': ['-H', `X-Token: ${PLACEHOLDER}`],
  'another header, in base64 at an odd place': ['-H', `X-Token: ${Buffer.from(`xy${PLACEHOLDER}z`).toString('base64')}`],
  'the declared header, in base64 without the Basic scheme': ['-H', `Authorization: Bearer ${Buffer.from(PLACEHOLDER).toString('base64')}`],
  'the name of a header': ['-H', `${PLACEHOLDER}: x`],
  'the path': [`https://api.test/${PLACEHOLDER}`],
  'the query': ['--url-query', `x=${PLACEHOLDER}`],
  'the query, percent-encoded': [`https://api.test/?x=${PLACEHOLDER.replaceAll('_', '%5f')}`],
  'a cookie': ['-b', `a=${PLACEHOLDER}`],
  'the body': ['-d', `a=b&c=${PLACEHOLDER}`],
  'a body in base64': ['-d', Buffer.from(`padding ${PLACEHOLDER}`).toString('base64')],
  'a chunked body': ['-d', PLACEHOLDER, '-H', 'Transfer-Encoding: chunked'],
  'a multipart body': ['-F', `file=${PLACEHOLDER};filename=x`],
}

for (const [place, args] of Object.entries(misplaced)) {
  test(`a placeholder in ${place} is refused and reported, and never becomes the value`, async (context) => {
    const { gate, server } = await world(context, inAuthorization)
    const { stdout } = await curl(gate, '-i', ...args, ...(args.some((arg) => arg.startsWith('https:')) ? [] : ['https://api.test/']))
    assert.match(stdout, /x-sallyport-refused: placeholder/)
    assert.deepEqual([codes(gate), alerts(gate)], [['placeholder'], ['placeholder']])
    assert.ok(
      server.arrivals.every(({ body }) => body === '<broken off>'),
      JSON.stringify(server.arrivals),
    )
    assert.doesNotMatch(stdout, /k3y/)
  })
}

test('a placeholder across the chunks of a large body is found', async (context) => {
  const { gate, server } = await world(context, inAuthorization)
  const body = Buffer.alloc(3_000_000, 'x')
  for (const at of [65_530, 131_070, 1_000_000, 2_999_900]) {
    const each = Buffer.from(body)
    each.write(PLACEHOLDER, at)
    await upload(gate, each, '-H', 'Expect:', 'https://api.test/')
  }
  assert.deepEqual(codes(gate), ['placeholder', 'placeholder', 'placeholder', 'placeholder'])
  assert.ok(server.arrivals.every((arrival) => arrival.body === '<broken off>'))
})

test('another host, another method, another path, and clear text get no value', async (context) => {
  const narrow = [substitution({ header: 'authorization' }, { methods: ['POST'], paths: [segments('/publish/*')] })]
  const { gate, server } = await world(context, narrow)
  const header = ['-H', `Authorization: ${PLACEHOLDER}`]
  for (const args of [
    ['https://other.test/publish/x', '-X', 'POST'],
    ['https://api.test/publish/x'],
    ['https://api.test/other', '-X', 'POST'],
    ['http://api.test/publish/x', '-X', 'POST'],
    ['https://api.test/publish/x', '-X', 'POST', '-H', 'X-HTTP-Method-Override: DELETE'],
    ['https://api.test/publish/x', '-X', 'POST', '-H', 'X-Original-URL: /other'],
  ])
    await curl(gate, ...header, ...args)
  assert.deepEqual(
    codes(gate).filter((code) => code === 'placeholder'),
    Array(6).fill('placeholder'),
  )
  assert.equal(server.arrivals.length, 0)
  await curl(gate, ...header, '-X', 'POST', 'https://api.test/publish/x')
  assert.equal(server.arrivals[0]?.headers.authorization, VALUE)
})

test('a JSON body in which the field could be read in two ways gets no value', async (context) => {
  const { gate, server } = await world(context, [substitution({ body: 'token' })])
  const json = (text: string): Promise<unknown> => upload(gate, text, '-H', 'Content-Type: application/json', 'https://api.test/')
  await json(`{"token":"${PLACEHOLDER}","token":"x"}`)
  await json(`{"token":"${PLACEHOLDER}","log":"${PLACEHOLDER}"}`)
  await json(`{"${PLACEHOLDER}":1,"token":"x"}`)
  await json(`{"nested":{"token":"${PLACEHOLDER}"}}`)
  await json(`{"token":"${PLACEHOLDER}" broken`)
  assert.deepEqual(codes(gate), Array(5).fill('placeholder'))
  assert.equal(server.arrivals.length, 0)
})

test('a body that is larger than what is held is sent on, without values', async (context) => {
  const { gate, server } = await world(context, [substitution({ body: 'token' })])
  const large = JSON.stringify({ padding: 'x'.repeat(2_000_000), token: 'y' })
  for (const more of [[], ['-H', 'Transfer-Encoding: chunked']])
    await upload(gate, large, '-H', 'Expect:', '-H', 'Content-Type: application/json', ...more, 'https://api.test/')
  assert.deepEqual(
    server.arrivals.map(({ body }) => body === large),
    [true, true],
  )
  const secret = JSON.stringify({ padding: 'x'.repeat(2_000_000), token: PLACEHOLDER })
  await upload(
    gate,
    secret,
    '-H',
    'Expect:',
    '-H',
    'Content-Type: application/json',
    '-H',
    'Transfer-Encoding: chunked',
    'https://api.test/',
  )
  assert.deepEqual(codes(gate), ['placeholder'])
})

const echoes: Readonly<Record<string, (value: string) => string>> = {
  'as it is': (value) => `you sent ${value}.`,
  'in base64': (value) => Buffer.from(`Basic user:${value}`).toString('base64'),
  'in hexadecimal': (value) => Buffer.from(value).toString('hex'),
  'percent-encoded': (value) => encodeURIComponent(value),
  'in JSON': (value) => JSON.stringify({ value }),
}

for (const kind of ['https', 'h2'] as const) {
  for (const [form, make] of Object.entries(echoes)) {
    test(`${kind}: an answer that brings the value back ${form} does not`, async (context) => {
      const respond: ServeOptions['respond'] = (request, response) => {
        const value = String(request.headers['authorization'])
        response.setHeader('x-echo', make(value).replaceAll('\n', ''))
        response.setHeader('content-length', Buffer.byteLength(make(value)))
        response.end(make(value))
      }
      const { gate, server } = await world(context, inAuthorization, { kind, respond })
      const { stdout, code } = await curl(gate, '-i', '-H', `Authorization: ${PLACEHOLDER}`, 'https://api.test/')
      assert.equal(code, 0)
      assert.equal(server.arrivals[0]?.headers.authorization, VALUE)
      assert.ok(!stdout.includes(make(VALUE)) && !stdout.includes('k3y'), stdout)
      assert.ok(stdout.includes(form === 'as it is' ? `you sent ${PLACEHOLDER}.` : '***'), stdout)
      assert.ok(alerts(gate).includes('echo'))
    })
  }
}

test('a value that comes back in pieces, later, and to a request without it, does not', async (context) => {
  const stream: ServeOptions['stream'] = (_request, response) => {
    response.setHeader('set-cookie', `session=${encodeURIComponent(VALUE)}`)
    response.setHeader('location', `https://other.test/?token=${encodeURIComponent(VALUE)}`)
    let at = 0
    const write = (): void => {
      if (at >= VALUE.length) {
        response.end(' end')
        return
      }
      response.write(VALUE.slice(at, at + 5))
      at += 5
      setTimeout(write, 5)
    }
    write()
  }
  const { gate } = await world(context, inAuthorization, { stream })
  const { stdout } = await curl(gate, '-i', 'https://api.test/')
  assert.match(stdout, new RegExp(`\r\n\r\n${PLACEHOLDER} end$`))
  assert.doesNotMatch(stdout, /k3y/)
  assert.deepEqual(alerts(gate), ['echo'])
})

for (const kind of ['https', 'h2'] as const) {
  test(`${kind}: a value beyond ASCII is found in a header field, where it stands byte by byte`, async (context) => {
    const value = 'pässwörd-of-the-registry'
    const respond: ServeOptions['respond'] = (_request, response, body) => {
      const { token } = JSON.parse(body) as { readonly token: string }
      response.setHeader('x-echo', Buffer.from(token).toString('latin1'))
      response.end(Buffer.from(token))
    }
    const { gate, server } = await world(context, [substitution({ body: 'token' }, {}, value)], { kind, respond })
    const json = ['-H', 'Content-Type: application/json']
    const { stdout } = await upload(gate, JSON.stringify({ token: PLACEHOLDER }), '-i', ...json, 'https://api.test/')
    assert.equal(server.arrivals[0]?.body, JSON.stringify({ token: value }))
    assert.equal(stdout.split(PLACEHOLDER).length, 3, stdout)
    assert.doesNotMatch(stdout, /ssw/)
  })
}

test('a value beyond ASCII goes into no header field as it is, but into Basic credentials', async (context) => {
  const { gate, server } = await world(context, [substitution({ header: 'authorization' }, {}, 'pässwörd-of-the-registry')])
  const authorize = (text: string): Promise<unknown> => curl(gate, '-H', `Authorization: ${text}`, 'https://api.test/')
  await authorize(`Bearer ${PLACEHOLDER}`)
  assert.deepEqual([codes(gate), server.arrivals.length], [['placeholder'], 0])
  await authorize(`Basic ${Buffer.from(`me:${PLACEHOLDER}`).toString('base64')}`)
  assert.equal(server.arrivals[0]?.headers.authorization, `Basic ${Buffer.from('me:pässwörd-of-the-registry').toString('base64')}`)
})

test('trailers are searched too', async (context) => {
  const { gate, server } = await world(context, inAuthorization, { kind: 'h2' })
  server.server.removeAllListeners('request').removeAllListeners('stream')
  server.server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-echo': VALUE }))
    stream.end('x')
  })
  const session = http2Session(gate, 'api.test')
  const { trailers } = await http2Request(session, { ':path': '/' })
  assert.equal(trailers['x-echo'], PLACEHOLDER)
  session.close()
})

test('an answer that is compressed or a part, though neither was asked for, is refused', async (context) => {
  const respond: ServeOptions['respond'] = (request, response) => {
    if (request.url === '/part') response.writeHead(206, { 'content-range': 'bytes 0-3/10' }).end(VALUE.slice(0, 4))
    else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(VALUE))
  }
  const { gate, server } = await world(context, inAuthorization, { respond })
  for (const path of ['/gzip', '/part']) {
    const { stdout } = await curl(gate, '-i', '--compressed', '-r', '0-3', `https://api.test${path}`)
    assert.match(stdout, /^HTTP\/1\.1 502 /)
  }
  for (const { headers } of server.arrivals) assert.deepEqual([headers['accept-encoding'], headers.range], ['identity', undefined])
})

test('a honeytoken is refused wherever it stands, by an alert of its own, though the step has no secret', async (context) => {
  const honeytoken = 'npm_Zx9kQ2mB7vLp4TqW8nRcYh3sDf6gJa1e5uXo'
  const encoded = Buffer.from(honeytoken).toString('base64')
  const places: readonly (readonly string[])[] = [
    ['-H', `X-Any: ${encoded}`, 'https://api.test/'],
    [`https://api.test/?q=${honeytoken}`],
    [`https://api.test/a/${honeytoken}`],
    [`https://api.test/a/%6epm_${honeytoken.slice(4)}`],
    ['-d', `token=${honeytoken}`, 'https://api.test/'],
    ['-d', `token=${honeytoken}`, 'http://api.test/'],
  ]
  for (const place of places) {
    const { gate, server } = await world(
      context,
      [],
      { kind: place.at(-1)?.startsWith('http:') === true ? 'http' : 'https' },
      { honeytokens: [honeytoken] },
    )
    await curl(gate, ...place)
    assert.deepEqual([codes(gate), alerts(gate)], [['placeholder'], ['honeytoken']], place.join(' '))
    const arrived = JSON.stringify(server.arrivals)
    assert.ok(!arrived.includes(honeytoken) && !arrived.includes(encoded), place.join(' '))
  }
})

test('answers of other hosts are not touched', async (context) => {
  const { gate, server } = await world(context, [
    substitution({ header: 'authorization' }, { hosts: [{ kind: 'suffix', name: 'elsewhere.test' }] }),
  ])
  await curl(gate, '--compressed', '-r', '0-3', 'https://api.test/')
  assert.match(String(server.arrivals[0]?.headers['accept-encoding']), /gzip/)
  assert.equal(server.arrivals[0]?.headers.range, 'bytes=0-3')
})

test('a value that could not be found again, or that a header cannot hold, is not put in', async (context) => {
  const short = await world(context, [substitution({ header: 'authorization' }, {}, 'abc')])
  await curl(short.gate, '-H', `Authorization: ${PLACEHOLDER}`, 'https://api.test/')
  const lines = await world(context, [substitution({ header: 'authorization' }, {}, 'first line\r\nX-Second: line')])
  await curl(lines.gate, '-H', `Authorization: ${PLACEHOLDER}`, 'https://api.test/')
  assert.deepEqual([codes(short.gate), codes(lines.gate)], [['placeholder'], ['placeholder']])
  assert.equal(short.server.arrivals.length + lines.server.arrivals.length, 0)
})

test('no websocket to a host that is sent a secret', async (context) => {
  const { gate } = await world(context, inAuthorization, {}, { rules: [rule('api.test', { websocket: true })] })
  const websocket = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]
  await curl(gate, '--http1.1', ...websocket.flatMap((field) => ['-H', field]), 'https://api.test/')
  assert.deepEqual(codes(gate), ['upgrade'])
})

test('the value is in no refusal, no alert, and no recorded request', async (context) => {
  const { gate } = await world(context, [...inAuthorization, substitution({ query: 'token' }), substitution({ body: 'token' })], {
    respond: (_r, response, body) => void response.end(body),
  })
  await curl(
    gate,
    '-H',
    `Authorization: ${PLACEHOLDER}`,
    '-d',
    `token=${PLACEHOLDER}`,
    `https://api.test/${'x'.repeat(30)}?token=${PLACEHOLDER}`,
  )
  await curl(gate, '-d', `other=${PLACEHOLDER}`, `https://api.test/?token=${PLACEHOLDER}`)
  assert.doesNotMatch(JSON.stringify([gate.refusals, gate.alerts, gate.requests]), /k3y/)
  assert.deepEqual(codes(gate), ['placeholder'])
})

test('a substitution that is added while the step runs holds at once, over connections that were open before, and is found in answers', async (context) => {
  const added: Substitution[] = []
  const respond: ServeOptions['respond'] = (request, response) => void response.end(`you said ${request.headers.authorization}`)
  const { gate, server } = await world(context, added, { kind: 'h2', respond }, { awaitsSubstitutions: true })
  const session = http2Session(gate, 'api.test')
  const ask = (): ReturnType<typeof http2Request> =>
    http2Request(session, { ':authority': 'api.test', ':path': '/', authorization: `Bearer ${PLACEHOLDER}` })
  assert.equal((await ask()).body, `you said Bearer ${PLACEHOLDER}`)
  added.push(...inAuthorization)
  assert.equal((await ask()).body, `you said Bearer ${PLACEHOLDER}`)
  session.close()
  assert.deepEqual(
    server.arrivals.map(({ headers }) => headers.authorization),
    [`Bearer ${PLACEHOLDER}`, `Bearer ${VALUE}`],
  )
  await curl(gate, '-H', `Authorization: Bearer ${PLACEHOLDER}`, 'https://other.test/')
  assert.ok(codes(gate).includes('placeholder'))
})
