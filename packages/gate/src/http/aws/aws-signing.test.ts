// SPDX-License-Identifier: Apache-2.0
// A client that signs with a placeholder, and a server that checks signatures of the key, with the gate between them. Real clients are in test/servers/aws-signing.test.ts.
import assert from 'node:assert/strict'
import https from 'node:https'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import {
  ChunkChain,
  type Headers,
  parseAuthorization,
  queryPairs,
  queryText,
  scopeText,
  sha256Hex,
  signature,
  signingKey,
} from '@sallyport/aws-signature'
import type { AwsKey, Signing } from '../../contract.ts'
import {
  type Arrival,
  http2Request,
  http2Session,
  rule,
  segments,
  serve,
  startGate,
  TestAuthority,
  type TestGate,
  type TestServer,
} from '../_harness.ts'
import { SIGNED_BODY_BYTES_MAX } from '../signed-body.ts'

const internet = new TestAuthority()
const HOST = 's3.test'
const PLACEHOLDER: AwsKey = {
  accessKeyId: 'ASIAPLACEHOLDERKEY23',
  secretAccessKey: 'placeholder/of/the/secret/access/key/012',
  sessionToken: 'token-placeholder-0123456789',
}
const KEY: AwsKey = {
  accessKeyId: 'ASIAREALREALREALREAL',
  secretAccessKey: 'the/real/secret/access/key/0123456789/ab',
  sessionToken: 'token-real-9876543210-token',
}

function signing(more: Partial<Signing['rule']> = {}, parts: Partial<Signing> = {}): Signing {
  const hosts = [{ kind: 'exact', name: HOST }] as const
  return {
    rule: { name: 'AWS', hosts, aws: { services: ['s3'], regions: ['eu-central-1'] }, methods: null, paths: null, ...more },
    placeholder: PLACEHOLDER,
    value: KEY,
    ...parts,
  }
}

interface World {
  readonly gate: TestGate
  readonly server: TestServer
}

async function world(context: TestContext, signings: readonly Signing[] = [signing()], kind: 'https' | 'h2' = 'https'): Promise<World> {
  const server = await serve(kind, { certificate: internet.for(HOST) })
  const rules = [rule(HOST), rule('other.test')]
  const gate = await startGate({ rules, servers: { [HOST]: server.port, 'other.test': server.port }, internet, signings })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

interface Asked {
  readonly method?: string
  readonly host?: string
  readonly target?: string
  readonly headers?: Headers
  readonly body?: Buffer
  readonly payload?: string | null
  readonly service?: string
  readonly region?: string
  readonly key?: AwsKey
  readonly madeMs?: number
  /** Signed, and then left out or changed. */
  readonly after?: (headers: Headers) => Headers
}

const timeOf = (ms: number): string => new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')

interface Signed {
  readonly headers: Headers
  readonly signature: string
  readonly scope: { readonly day: string; readonly region: string; readonly service: string }
  readonly time: string
}

/** As an SDK does. */
function signed({
  method = 'GET',
  host = HOST,
  target = '/',
  body,
  service = 's3',
  region = 'eu-central-1',
  key = PLACEHOLDER,
  ...more
}: Asked): Signed {
  const time = timeOf(more.madeMs ?? Date.now())
  const scope = { day: time.slice(0, 8), region, service }
  const [path = '', query = ''] = target.split('?')
  const payload = more.payload ?? sha256Hex(body ?? '')
  const headers: Headers = [
    ...(more.headers ?? []),
    ['host', host],
    ['x-amz-date', time],
    ...(more.payload === null ? [] : [['x-amz-content-sha256', payload] as const]),
    ...(key.sessionToken === null ? [] : [['x-amz-security-token', key.sessionToken] as const]),
  ]
  const made = signature({ method, path, query: queryPairs(query), headers, payload, time }, scope, signingKey(key.secretAccessKey, scope))
  const names = [...new Set(headers.map(([name]) => name))].sort().join(';')
  const authorization = `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${scopeText(scope)}, SignedHeaders=${names}, Signature=${made}`
  return { headers: [...(more.after?.(headers) ?? headers), ['authorization', authorization]], signature: made, scope, time }
}

interface Answer {
  readonly status: number
  readonly refused: string | undefined
}

function send(gate: TestGate, { method = 'GET', host = HOST, target = '/', body }: Asked, headers: Headers): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ socket: connect(gate.port, '127.0.0.1'), servername: host, ca: gate.authority })
    const fields = body === undefined ? headers : [...headers, ['content-length', String(body.length)] as const]
    const request = https.request({
      createConnection: () => socket,
      method,
      path: target,

      headers: fields.flat(),
      setHost: false,
    })
    request.on('response', (response) => {
      response.resume().on('end', () => {
        const refused = response.headers['x-sallyport-refused']
        resolve({ status: response.statusCode ?? 0, refused: typeof refused === 'string' ? refused : undefined })
        socket.destroy()
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const ask = (gate: TestGate, asked: Asked): Promise<Answer> => send(gate, asked, signed(asked).headers)

/** Whether the key has signed what arrived, as it arrived. */
function isByKey(
  { method, url, raw, body }: Arrival,
  { payload = sha256Hex(body), key = KEY }: { readonly payload?: string; readonly key?: AwsKey } = {},
): boolean {
  const headers = Array.from({ length: raw.length / 2 }, (_, at) => [(raw[2 * at] ?? '').toLowerCase(), raw[2 * at + 1] ?? ''] as const)
  const [path = '', query = ''] = url.split('?')
  const pairs = queryPairs(query)
  const said = new Map([...pairs, ...headers])
  const authorization = said.get('authorization')
  const claim = authorization === undefined ? null : parseAuthorization(authorization)
  const names = claim?.signedHeaders ?? (said.get('X-Amz-SignedHeaders') ?? '').split(';')
  const [, day = '', region = '', service = ''] = (said.get('X-Amz-Credential') ?? '').split('/')
  const scope = claim ?? { day, region, service }
  const time = said.get('x-amz-date') ?? said.get('X-Amz-Date') ?? ''
  const own = headers.filter(([name]) => names.includes(name))
  const rest = pairs.filter(([name]) => name !== 'X-Amz-Signature')
  const expected = signature({ method, path, query: rest, headers: own, payload, time }, scope, signingKey(key.secretAccessKey, scope))
  const token = said.get('x-amz-security-token') ?? said.get('X-Amz-Security-Token') ?? null
  const id = claim?.accessKeyId ?? said.get('X-Amz-Credential')?.split('/')[0]
  return expected === (claim?.signature ?? said.get('X-Amz-Signature')) && token === key.sessionToken && id === key.accessKeyId
}

const nothingOfThePlaceholder = (arrivals: readonly Arrival[]): boolean =>
  arrivals.every((arrival) => !Object.values(PLACEHOLDER).some((part) => part !== null && JSON.stringify(arrival).includes(part)))

test('a request that the placeholder has signed arrives signed by the key, and nothing of either goes the other way', async (context) => {
  const { gate, server } = await world(context)
  const body = Buffer.from('{"a": 1}')
  const headers: Headers = [
    ['content-type', 'application/json'],
    ['x-amz-meta-a', ' two  spaces '],
    ['accept-encoding', 'gzip'],
  ]
  for (const asked of [{}, { target: '/bucket/a%20key~?list-type=2&prefix=a%2Fb&empty' }, { method: 'PUT', body, headers }])
    assert.deepEqual(await ask(gate, asked), { status: 200, refused: undefined })
  assert.deepEqual(
    server.arrivals.map((arrival) => isByKey(arrival)),
    [true, true, true],
  )
  assert.ok(nothingOfThePlaceholder(server.arrivals))
  assert.equal(server.arrivals[2]?.headers['accept-encoding'], 'gzip')
})

test('a key without a session token, over HTTP/2, and for a service whose requests do not say the hash of their body', async (context) => {
  const placeholder = { ...PLACEHOLDER, sessionToken: null }
  const value = { ...KEY, sessionToken: null }
  const { gate, server } = await world(context, [signing({ aws: { services: ['dynamodb'], regions: null } }, { placeholder, value })], 'h2')
  const session = await http2Session(gate, HOST)
  const body = Buffer.from('{"TableName": "t"}')
  const { headers } = signed({
    method: 'POST',
    body,
    payload: null,
    service: 'dynamodb',
    region: 'us-west-2',
    key: placeholder,
    headers: [['x-amz-target', 'DynamoDB_20120810.GetItem']],
  })
  const fields = Object.fromEntries(headers.filter(([name]) => name !== 'host'))
  const answer = await http2Request(session, { ':method': 'POST', ':path': '/', ':authority': HOST, ...fields }, String(body))
  session.close()
  assert.equal(answer.status, 200, answer.body)
  const [arrival] = server.arrivals
  assert.ok(arrival !== undefined)
  const raw = ['host', HOST, ...arrival.raw.filter((_, at, all) => !String(all[at - (at % 2)]).startsWith(':'))]
  assert.ok(isByKey({ ...arrival, raw }, { key: value }))
  assert.equal(arrival.body, String(body))
})

test('a presigned URL is good through the gate, as long as its client said and an hour at most', async (context) => {
  const { gate, server } = await world(context)
  const presigned = (expires: string, madeMs = Date.now()): string => {
    const time = timeOf(madeMs)
    const scope = { day: time.slice(0, 8), region: 'eu-central-1', service: 's3' }
    const query = queryPairs(
      queryText([
        ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
        ['X-Amz-Credential', `${PLACEHOLDER.accessKeyId}/${scopeText(scope)}`],
        ['X-Amz-Date', time],
        ['X-Amz-Expires', expires],
        ['X-Amz-SignedHeaders', 'host'],
        ['X-Amz-Security-Token', PLACEHOLDER.sessionToken ?? ''],
        ['response-content-type', 'text/plain'],
      ]),
    )
    const request = { method: 'GET', path: '/bucket/key', query, headers: [['host', HOST]] as const, payload: 'UNSIGNED-PAYLOAD', time }
    const made = signature(request, scope, signingKey(PLACEHOLDER.secretAccessKey, scope))
    return `/bucket/key?${queryText(query)}&X-Amz-Signature=${made}`
  }
  const hour = 3_600_000
  for (const target of [presigned('900'), presigned('3600', Date.now() - hour + 60_000)])
    assert.equal((await send(gate, { target }, [['host', HOST]])).status, 200)
  assert.deepEqual(
    server.arrivals.map((arrival) => isByKey(arrival, { payload: 'UNSIGNED-PAYLOAD' })),
    [true, true],
  )
  assert.ok(nothingOfThePlaceholder(server.arrivals))
  const bad = [
    presigned('604800'),
    presigned('3601'),
    presigned('60', Date.now() - 61_000),
    presigned('60', Date.now() + hour),
    `${presigned('900')}&X-Amz-Expires=1`,
    presigned('900').replace('key?', 'kez?'),
  ]
  for (const target of bad) assert.deepEqual(await send(gate, { target }, [['host', HOST]]), { status: 403, refused: 'signature' }, target)
  assert.deepEqual(
    await send(gate, { target: presigned('900') }, [
      ['host', HOST],
      ['x-amz-acl', 'public-read'],
    ]),
    { status: 403, refused: 'signature' },
  )
  assert.equal(server.arrivals.length, 2)
})

const refusals: Readonly<Record<string, Asked>> = {
  'another secret key': { key: { ...PLACEHOLDER, secretAccessKey: 'guessed' } },
  'another session token': { key: { ...PLACEHOLDER, sessionToken: 'guessed' } },
  'no session token': { key: { ...PLACEHOLDER, sessionToken: null } },
  'another service': { service: 'iam' },
  'another region': { region: 'us-east-1' },
  'a date of ten minutes ago': { madeMs: Date.now() - 600_000 },
  'a date in ten minutes': { madeMs: Date.now() + 600_000 },
  'a header that was changed': {
    headers: [['x-amz-acl', 'private']],
    after: (headers) => headers.map(([name, value]) => [name, name === 'x-amz-acl' ? 'public-read' : value]),
  },
  'a header that was added': { after: (headers) => [...headers, ['x-amz-acl', 'public-read']] },
  'a header that is missing': { headers: [['x-amz-acl', 'private']], after: (headers) => headers.filter(([name]) => name !== 'x-amz-acl') },
  'a header that is taken out on the way': {
    headers: [['x-amz-server-side-encryption', 'AES256']],
    after: (headers) => [...headers, ['connection', 'x-amz-server-side-encryption']],
  },
  'a hash of another body': {
    after: (headers) => headers.map(([name, value]) => [name, name === 'x-amz-content-sha256' ? sha256Hex('x') : value]),
  },
  'two dates': { after: (headers) => [...headers, ['x-amz-date', timeOf(Date.now())]] },
  'a body of signed events': { payload: 'STREAMING-AWS4-HMAC-SHA256-EVENTS' },
  'a body of version 4A': { payload: 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' },
  'a host that was not signed': { headers: [], after: (headers) => headers },
}

for (const [name, asked] of Object.entries(refusals)) {
  test(`${name}: refused by name, with a record, and nothing goes out`, async (context) => {
    const { gate, server } = await world(context)
    const { headers } = signed(asked)
    const sent =
      name === 'a host that was not signed' ? headers.map(([field, value]) => [field, value.replace('=host;', '=')] as const) : headers
    assert.deepEqual(await send(gate, asked, sent), { status: 403, refused: 'signature' })
    assert.deepEqual(
      gate.refusals.map(({ code }) => code),
      ['signature'],
    )
    assert.deepEqual(
      gate.alerts.map(({ kind }) => kind),
      ['placeholder'],
    )
    assert.equal(server.arrivals.length, 0)
    const told = JSON.stringify([gate.refusals, gate.alerts])
    assert.ok(!Object.values({ ...KEY }).some((part) => part !== null && told.includes(part)))
  })
}

test('a method, a path and a query that were changed after signing are refused', async (context) => {
  const { gate, server } = await world(context)
  const { headers } = signed({ target: '/a?x=1' })
  for (const asked of [{ target: '/b?x=1' }, { target: '/a?x=2' }, { target: '/a?x=1&acl' }, { target: '/a?x=1', method: 'DELETE' }])
    assert.deepEqual(await send(gate, asked, headers), { status: 403, refused: 'signature' })
  assert.equal(server.arrivals.length, 0)
})

test('to another host, and beyond the methods and paths of the grant, nothing is signed', async (context) => {
  const { gate, server } = await world(context, [signing({ methods: ['GET'], paths: [segments('/bucket/**')] })])
  for (const asked of [
    { host: 'other.test', target: '/bucket/a' },
    { target: '/other/a' },
    { target: '/bucket/a', method: 'PUT', body: Buffer.from('x') },
  ])
    assert.equal((await ask(gate, asked)).refused, 'signature')
  assert.equal((await ask(gate, { target: '/bucket/a' })).status, 200)
  assert.equal(server.arrivals.length, 1)
})

test('version 4A and version 2 are refused by name, and a placeholder anywhere else is one', async (context) => {
  const { gate, server } = await world(context)
  const credential = `Credential=${PLACEHOLDER.accessKeyId}/20260101/s3/aws4_request`
  const four = `AWS4-ECDSA-P256-SHA256 ${credential}, SignedHeaders=host, Signature=00`
  assert.equal(
    (
      await send(gate, {}, [
        ['host', HOST],
        ['authorization', four],
      ])
    ).refused,
    'signature',
  )
  assert.match(gate.refusals[0]?.reason ?? '', /4A.*version 4 is used/)
  assert.equal(
    (
      await send(gate, {}, [
        ['host', HOST],
        ['authorization', `AWS ${PLACEHOLDER.accessKeyId}:c2ln`],
      ])
    ).refused,
    'signature',
  )
  for (const part of Object.values(PLACEHOLDER))
    assert.equal(
      (
        await send(gate, {}, [
          ['host', HOST],
          ['x-note', part ?? ''],
        ])
      ).refused,
      'placeholder',
    )
  const body = Buffer.from(`leak=${PLACEHOLDER.secretAccessKey}`)
  assert.equal((await ask(gate, { method: 'POST', body, payload: 'UNSIGNED-PAYLOAD' })).refused, 'placeholder')
  assert.equal(server.arrivals.filter(({ body: text }) => text.includes('placeholder')).length, 0)
})

test('a body that is not the one that was signed does not arrive whole', async (context) => {
  const { gate, server } = await world(context)
  const [meant, sent] = [Buffer.alloc(300_000, 'a'), Buffer.alloc(300_000, 'b')]
  const { headers } = signed({ method: 'PUT', body: meant })
  assert.deepEqual(await send(gate, { method: 'PUT', body: sent }, headers), { status: 403, refused: 'signature' })
  assert.ok(server.arrivals.every(({ body }) => body === '<broken off>'))
})

test('a body whose hash is signed and not said is held, up to 8 MiB', async (context) => {
  const { gate, server } = await world(context, [signing({ aws: { services: ['lambda'], regions: null } })])
  const ask8 = (bytes: number): Promise<Answer> =>
    ask(gate, { method: 'POST', body: Buffer.alloc(bytes, 'z'), payload: null, service: 'lambda' })
  assert.equal((await ask8(SIGNED_BODY_BYTES_MAX)).status, 200)
  assert.ok(isByKey(server.arrivals[0] as Arrival))
  assert.equal((await ask8(SIGNED_BODY_BYTES_MAX + 1)).refused, 'signature')
  assert.equal(server.arrivals.length, 1)
})

/** A body as S3's older clients make it. */
function chunked(
  { scope, time, signature: seed }: Signed,
  chunks: readonly Buffer[],
  { trailer, key = PLACEHOLDER }: { readonly trailer?: string; readonly key?: AwsKey } = {},
): Buffer {
  const chain = new ChunkChain(signingKey(key.secretAccessKey, scope), scope, { time, seed })
  const parts = [...chunks, Buffer.alloc(0)].map((data) => {
    const line = Buffer.from(`${data.length.toString(16)};chunk-signature=${chain.next(data)}\r\n`)
    return data.length === 0 ? line : Buffer.concat([line, data, Buffer.from('\r\n')])
  })
  const end = trailer === undefined ? '\r\n' : `${trailer}\r\nx-amz-trailer-signature:${chain.trailer(Buffer.from(`${trailer}\n`))}\r\n\r\n`
  return Buffer.concat([...parts, Buffer.from(end)])
}

for (const trailer of [undefined, 'x-amz-checksum-crc32c:sOO8/Q==']) {
  const payload = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailer === undefined ? '' : '-TRAILER'}`
  const asked = { method: 'PUT', target: '/bucket/key', payload }

  test(`each chunk of ${payload} is signed again`, async (context) => {
    const { gate, server } = await world(context)
    const made = signed(asked)
    const chunks = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1_048_576, 'b'), Buffer.from('end')]
    const body = chunked(made, chunks, trailer === undefined ? {} : { trailer })
    assert.equal((await send(gate, { ...asked, body }, made.headers)).status, 200)
    const [arrival] = server.arrivals
    assert.ok(arrival !== undefined && isByKey(arrival, { payload }))
    const seed = parseAuthorization(arrival.headers.authorization ?? '')?.signature ?? ''
    const expected = chunked({ ...made, signature: seed }, chunks, { key: KEY, ...(trailer !== undefined && { trailer }) })
    assert.ok(Buffer.from(arrival.body).equals(expected))
    assert.equal(arrival.headers['content-length'], String(body.length))
  })

  test(`a chunk of ${payload} that was changed, cut, made too large or added does not arrive`, async (context) => {
    const { gate, server } = await world(context)
    const made = signed(asked)
    const whole = chunked(made, [Buffer.alloc(70_000, 'a'), Buffer.alloc(70_000, 'b')], trailer === undefined ? {} : { trailer })
    const changed = Buffer.from(whole)
    changed[100_000] = 0x63
    const other = Buffer.from(whole.toString('latin1').replace(/signature=[0-9a-f]/, 'signature=g'), 'latin1')
    const large = Buffer.concat([Buffer.from(`100001;chunk-signature=${'a'.repeat(64)}\r\n`), Buffer.alloc(10)])
    for (const body of [
      changed,
      whole.subarray(0, -1),
      whole.subarray(0, 80_000),
      Buffer.concat([whole, Buffer.from('x')]),
      other,
      large,
      Buffer.from('plain'),
      Buffer.alloc(200, '0'),
    ])
      assert.deepEqual(await send(gate, { ...asked, body }, made.headers), { status: 403, refused: 'signature' })
    assert.ok(server.arrivals.every(({ body }) => body === '<broken off>'))
  })
}

test('a job’s own key goes through as it is', async (context) => {
  const { gate, server } = await world(context)
  const own = { accessKeyId: 'AKIAOWNOWNOWNOWNOWN2', secretAccessKey: 'own', sessionToken: null }
  assert.equal((await ask(gate, { key: own })).status, 200)
  assert.ok(isByKey(server.arrivals[0] as Arrival, { key: own }))
})
