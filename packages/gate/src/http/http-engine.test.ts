// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { curl, rule, segments, serve, startGate, TestAuthority } from './_harness.ts'

const internet = new TestAuthority()
const certificate = internet.for('api.test')

test('a request of HTTP/1.1 gets through terminated TLS, and so does its answer', async () => {
  const server = await serve('https', { certificate })
  const gate = await startGate({ rules: [rule('api.test')], servers: { 'api.test': server.port }, internet })
  const { stdout, stderr } = await curl(gate, '-i', 'https://api.test/some/path?x=1')
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/, stderr)
  assert.deepEqual(
    server.arrivals.map(({ version, method, url }) => [version, method, url]),
    [['1.1', 'GET', '/some/path?x=1']],
  )
  assert.equal(server.arrivals[0]?.headers.host, 'api.test')
  assert.deepEqual(gate.requests, [{ method: 'GET', path: '/some/path' }])
  assert.deepEqual(gate.refusals, [])
  await gate.close()
  server.close()
})

test('a request of HTTP/2 is one of HTTP/2 at the server', async () => {
  const server = await serve('h2', { certificate })
  const gate = await startGate({ rules: [rule('api.test')], servers: { 'api.test': server.port }, internet })
  const { stdout, stderr } = await curl(gate, '-i', 'https://api.test/some/path?x=1')
  assert.match(stdout, /^HTTP\/2 200 \r\n[\s\S]*hello$/, stderr)
  assert.deepEqual(
    server.arrivals.map(({ version, method, url }) => [version, method, url]),
    [['2.0', 'GET', '/some/path?x=1']],
  )
  await gate.close()
  server.close()
})

test('a request in clear text', async () => {
  const server = await serve('http')
  const gate = await startGate({
    rules: [rule('api.test', {}, 'http')],
    servers: { 'api.test': server.port },
    internet,
    plainName: 'api.test',
  })
  const { stdout, stderr } = await curl(gate, '-i', 'http://api.test/some/path?x=1', 'http://api.test/second')
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/, stderr)
  assert.deepEqual(
    server.arrivals.map(({ url }) => url),
    ['/some/path?x=1', '/second'],
  )
  assert.deepEqual(gate.dials, ['api.test'])
  await gate.close()
  server.close()
})

test('a refused request is answered with the reason, and nothing arrives', async () => {
  const server = await serve('h2+https', { certificate })
  const rules = [rule('api.test', { methods: ['GET'], paths: [segments('/acme/**')] })]
  const gate = await startGate({ rules, servers: { 'api.test': server.port }, internet })
  for (const version of ['--http1.1', '--http2']) {
    const { stdout } = await curl(gate, '-i', version, '-d', 'stolen', 'https://api.test/acme/x')
    assert.match(stdout, /^HTTP\/(1\.1|2) 403/)
    assert.match(stdout, /x-sallyport-refused: method\r\n/)
    assert.match(stdout, /Sallyport refused POST https:\/\/api\.test\/acme\/x\n/)
    assert.match(stdout, /sallyport\.yml:7/)
    assert.match(stdout, /jobs\.build\.egress/)
  }
  assert.deepEqual(
    gate.refusals.map(({ code }) => code),
    ['method', 'method'],
  )
  assert.equal(server.arrivals.length, 0)
  await gate.close()
  server.close()
})
