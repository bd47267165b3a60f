// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectPlain, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { authorityCertificate, serverCertificate } from '../authority/certificate.ts'
import {
  curl,
  type GateOptions,
  http2Request,
  http2Session,
  rule,
  type ServeOptions,
  type ServerKind,
  serve,
  startGate,
  TestAuthority,
  type TestGate,
  type TestServer,
} from './_harness.ts'

const internet = new TestAuthority()
const directory = mkdtempSync(join(tmpdir(), 'sallyport-tls-'))
after(() => rmSync(directory, { recursive: true }))
const otherAuthority = join(directory, 'other.pem')
writeFileSync(otherAuthority, internet.certificate)

async function world(
  context: TestContext,
  kind: ServerKind,
  certificate: ServeOptions['certificate'] = internet.for('api.test'),
  options: Partial<GateOptions> = {},
): Promise<{ readonly gate: TestGate; readonly server: TestServer }> {
  const server = await serve(kind, certificate === undefined ? {} : { certificate })
  const gate = await startGate({ rules: [rule('api.test')], servers: { 'api.test': server.port }, internet, ...options })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

function certificateOf(
  name: string,
  authority: string,
  validity = { from: new Date(Date.now() - 60_000), to: new Date(Date.now() + 60_000) },
  server = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
) {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { name: authority, key: own.privateKey, publicKey: own.publicKey }
  return {
    authority: authorityCertificate(issuer, ['test'], { from: new Date(0), to: new Date(Date.now() + 60_000) }),
    cert: serverCertificate(issuer, name, server.publicKey, validity),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

test('a server whose certificate nobody vouches for gets nothing, and the client reads why', async (context) => {
  const { gate, server } = await world(context, 'h2+https', certificateOf('api.test', 'Somebody'))
  for (const version of ['--http1.1', '--http2']) {
    const { stdout, stderr } = await curl(gate, '-i', version, 'https://api.test/')
    assert.match(stdout, /^HTTP\/1\.1 502 /, stderr)
    assert.match(stdout, /x-sallyport-refused: upstream-certificate/)
    assert.match(stdout, /UNABLE_TO_VERIFY_LEAF_SIGNATURE/)
  }
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['upstream-certificate', 'upstream-certificate'],
  )
  assert.equal(server.arrivals.length, 0)
})

test("a server with another name's certificate, or an expired one, gets nothing", async (context) => {
  const other = await world(context, 'https', internet.for('other.test'))
  assert.match((await curl(other.gate, 'https://api.test/')).stdout, /ERR_TLS_CERT_ALTNAME_INVALID/)
  const expired = certificateOf('api.test', 'Test internet', { from: new Date(0), to: new Date(Date.now() - 1000) })
  const past = await world(context, 'https', expired, { internet: Object.assign(new TestAuthority(), { certificate: expired.authority }) })
  assert.match((await curl(past.gate, 'https://api.test/')).stdout, /CERT_HAS_EXPIRED/)
  assert.equal(other.server.arrivals.length + past.server.arrivals.length, 0)
})

test('a server whose key is too weak gets nothing, and the client reads that', async (context) => {
  const weak = certificateOf('api.test', 'Test internet', undefined, generateKeyPairSync('rsa', { modulusLength: 1024 }))
  const believed = { internet: Object.assign(new TestAuthority(), { certificate: weak.authority }) }
  const { gate, server } = await world(context, 'https', Object.assign(weak, { ciphers: 'DEFAULT@SECLEVEL=0' }), believed)
  assert.match((await curl(gate, 'https://api.test/')).stdout, /certificate is not accepted for api\.test \(EE certificate key too weak\)/)
  assert.equal(server.arrivals.length, 0)
})

test('no authority but the configured one counts', async (context) => {
  // The gate's own, which the job trusts, is none for servers.
  const { gate } = await world(context, 'https')
  const { gate: second, server } = await world(context, 'https', internet.for('api.test'), {
    internet: Object.assign(new TestAuthority(), { certificate: gate.authority }),
  })
  assert.match((await curl(second, 'https://api.test/')).stdout, /UNABLE_TO_VERIFY_LEAF_SIGNATURE/)
  assert.equal(server.arrivals.length, 0)
})

test('a name without an address, and a server that ends the connection, are reported in HTTP too', async (context) => {
  const { gate } = await world(context, 'https', undefined, { servers: {} })
  const { stdout } = await curl(gate, '-i', 'https://api.test/')
  assert.match(stdout, /^HTTP\/1\.1 502 [\s\S]*x-sallyport-refused: unresolved/)
  const rude = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
  const { gate: second } = await world(context, 'https', undefined, { servers: { 'api.test': (rude.address() as { port: number }).port } })
  assert.match((await curl(second, '-i', 'https://api.test/')).stdout, /x-sallyport-refused: unreachable/)
  rude.close()
})

test('a client of HTTP/2 alone is told in HTTP/2, if it asks', async (t) => {
  const { gate } = await world(t, 'https', undefined, { servers: {} })
  const silent = http2Session(gate, 'api.test')
  await new Promise((resolve) => setTimeout(resolve, 50))
  silent.close()
  const session = http2Session(gate, 'api.test')
  const { status, body } = await http2Request(session, { ':path': '/' })
  assert.deepEqual([status, /no such name/.test(body)], [502, true])
  session.close()
})

test('the client gets the version of HTTP that the server chose, and none that it did not offer', async (context) => {
  const versions = async (kind: ServerKind, offer: string): Promise<string> => {
    const { gate, server } = await world(context, kind)
    const { stdout } = await curl(gate, offer, '-w', '%{http_version}', '-o', '/dev/null', 'https://api.test/')
    return `${stdout} ${server.arrivals[0]?.version}`
  }
  assert.equal(await versions('h2+https', '--http2'), '2 2.0')
  assert.equal(await versions('h2+https', '--http1.1'), '1.1 1.1')
  assert.equal(await versions('https', '--http2'), '1.1 1.1')
  assert.equal(await versions('h2+https', '--no-alpn'), '1.1 1.1')
})

const handshake = (gate: TestGate, options: tls.ConnectionOptions): Promise<string> =>
  new Promise((resolve) => {
    const socket = tls.connect({ socket: connectPlain(gate.port, '127.0.0.1'), servername: 'api.test', ca: gate.authority, ...options })
    socket.once('secureConnect', () => resolve(`secure ${socket.alpnProtocol}`))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
    socket.once('close', () => resolve('closed'))
  })

test('a client that speaks another protocol inside TLS, or another name, is refused before the server is called', async (t) => {
  const { gate } = await world(t, 'https')
  assert.equal(await handshake(gate, { ALPNProtocols: ['mqtt'] }), 'ECONNRESET')
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['protocol'],
  )
  assert.deepEqual(gate.dials, [])
})

// Node 24 itself crashed on this, when the socket below the TLS was destroyed at once.
test('a client of TLS 1.1 is not served', async (t) => {
  const { gate } = await world(t, 'https')
  assert.notEqual(
    (await handshake(gate, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' })).slice(0, 6),
    'secure',
  )
})

test("a client that does not trust the job's authority is told about in the report", async (t) => {
  const { gate, server } = await world(t, 'https')
  const { stderr } = await curl(gate, '--cacert', otherAuthority, 'https://api.test/')
  assert.match(stderr, /certificate/)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['protocol'],
  )
  assert.match(gate.refusals[0]?.reason ?? '', /trust the authority of the job/)
  assert.equal(server.arrivals.length, 0)
})

test('a client that stops in the middle of the handshake is let go', async (t) => {
  const { gate } = await world(t, 'https', undefined, { limits: { helloMs: 150 } })
  const socket = connectPlain(gate.port, '127.0.0.1')
  const hello = await clientHello()
  socket.on('error', () => socket.destroy())
  socket.write(hello)
  await new Promise((resolve) => socket.once('close', resolve).resume())
  assert.equal(gate.open.size, 0)
})

/** The first message of a real client. */
async function clientHello(): Promise<Buffer> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes)
        socket.destroy()
        server.close()
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const client = tls.connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', servername: 'api.test' })
      client.on('error', () => client.destroy())
    })
  })
}
