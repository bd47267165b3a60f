// SPDX-License-Identifier: Apache-2.0
// Requests that two programs could read in two ways. Whatever the gate makes of them, the server must see whole requests in the one form that everybody reads alike, and
// none that was not judged. The techniques are those of RFC 9112 sections 6.3 and 11.2; Linhart, Klein, Heled and Orrin, "HTTP Request Smuggling" (2005); Kettle, "HTTP
// Desync Attacks" (2019) and "HTTP/1.1 must die" (2025); Bachi and others, "Funky chunks" (2025); and the parser holes of Node itself: CVE-2021-22959, CVE-2021-22960,
// CVE-2022-32213 to 32215, CVE-2022-35256, CVE-2023-30589, CVE-2024-27982, CVE-2025-23167.
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { rule, segments, sendRaw, startGate, TestAuthority, type TestGate } from './_harness.ts'
import { parseStrictly } from './_strict-reader.ts'

const HIDDEN = 'GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n'
const post = (fields: string, body: string): string => `POST /ok HTTP/1.1\r\nHost: api.test\r\n${fields}\r\n\r\n${body}`
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

const vectors: Readonly<Record<string, string>> = {
  'CL.TE': post(`Content-Length: ${5 + HIDDEN.length}\r\nTransfer-Encoding: chunked`, `0\r\n\r\n${HIDDEN}`),
  'TE.CL': post('Transfer-Encoding: chunked\r\nContent-Length: 4', `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`),
  'CL.0': post(`Content-Length: ${HIDDEN.length}`, HIDDEN),
  '0.CL behind obs-fold': post(`X: y\r\n Content-Length: ${HIDDEN.length}`, HIDDEN),
  'two equal lengths': post('Content-Length: 2\r\nContent-Length: 2', `ab${HIDDEN}`),
  'two lengths': post(`Content-Length: 0\r\nContent-Length: ${HIDDEN.length}`, HIDDEN),
  'a list of lengths': post(`Content-Length: 0, ${HIDDEN.length}`, HIDDEN),
  'a signed length': post(`Content-Length: +${HIDDEN.length}`, HIDDEN),
  'a hexadecimal length': post(`Content-Length: 0x${HIDDEN.length.toString(16)}`, HIDDEN),
  'an octal-looking length': post(`Content-Length: 0${HIDDEN.length}`, HIDDEN),
  'a length beyond 64 bits': post('Content-Length: 18446744073709551616', HIDDEN),
  'an empty length': post('Content-Length:', HIDDEN),
  'a length with an underscore': post(`Content_Length: ${HIDDEN.length}`, HIDDEN),
  'a space before the colon': post(`Content-Length : ${HIDDEN.length}`, HIDDEN),
  'a space before the name': post(` Content-Length: ${HIDDEN.length}`, HIDDEN),
  'a length first behind the request line': `POST /ok HTTP/1.1\r\n Content-Length: ${HIDDEN.length}\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'TE in capitals': post('TRANSFER-ENCODING: CHUNKED', `0\r\n\r\n${HIDDEN}`),
  'TE with a tab': post('Transfer-Encoding:\tchunked', `0\r\n\r\n${HIDDEN}`),
  'TE with a vertical tab': post('Transfer-Encoding: \x0bchunked', `0\r\n\r\n${HIDDEN}`),
  'TE with a space before the colon': post('Transfer-Encoding : chunked', `0\r\n\r\n${HIDDEN}`),
  'TE folded': post('Transfer-Encoding:\r\n chunked', `0\r\n\r\n${HIDDEN}`),
  'TE behind a bare LF': post('X: y\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`),
  'TE behind a bare CR': post('X: y\rTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`),
  'TE that is quoted': post('Transfer-Encoding: "chunked"', `0\r\n\r\n${HIDDEN}`),
  'TE of another name': post('Transfer-Encoding: xchunked', `0\r\n\r\n${HIDDEN}`),
  'TE with a parameter': post('Transfer-Encoding: chunked;q=0.5', `0\r\n\r\n${HIDDEN}`),
  'TE twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`),
  'TE twice, then identity': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${HIDDEN}`),
  'TE twice, first identity': post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`),
  'TE of two codings': post('Transfer-Encoding: gzip, chunked', `0\r\n\r\n${HIDDEN}`),
  'TE with chunked not last': post('Transfer-Encoding: chunked, gzip', `0\r\n\r\n${HIDDEN}`),
  'TE with an empty member': post('Transfer-Encoding: ,chunked', `0\r\n\r\n${HIDDEN}`),
  'TE with a NUL': post('Transfer-Encoding: chunked\0', `0\r\n\r\n${HIDDEN}`),
  'TE in HTTP/1.0': `POST /ok HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'TE that Connection names': post('Connection: transfer-encoding\r\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`),
  'CL that Connection names': post(`Connection: content-length\r\nContent-Length: ${HIDDEN.length}`, HIDDEN),
  'an honest chunked body': post('Transfer-Encoding: chunked', chunked(HIDDEN)),
  'an honest chunked body and a second request': post('Transfer-Encoding: chunked', chunked('x') + HIDDEN),
  'a chunk extension': post('Transfer-Encoding: chunked', `1;a=b\r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk extension with a line feed': post(
    'Transfer-Encoding: chunked',
    `2;\nxx\r\n${(HIDDEN.length).toString(16)}\r\n0\r\n\r\n${HIDDEN}`,
  ),
  'a chunk extension without end': post('Transfer-Encoding: chunked', `1;${'a'.repeat(40_000)}\r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk size with a space': post('Transfer-Encoding: chunked', `1 \r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk size behind 0x': post('Transfer-Encoding: chunked', `0x1\r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk size that overflows': post('Transfer-Encoding: chunked', `10000000000000001\r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'a negative chunk size': post('Transfer-Encoding: chunked', `-1\r\nx\r\n0\r\n\r\n${HIDDEN}`),
  'chunks that end in line feeds': post('Transfer-Encoding: chunked', `1\nx\n0\n\n${HIDDEN}`),
  'a chunk longer than its size': post('Transfer-Encoding: chunked', `1\r\nxyz0\r\n\r\n${HIDDEN}`),
  'a chunk that ends in other bytes': post('Transfer-Encoding: chunked', `1\r\nxXX0\r\n\r\n${HIDDEN}`),
  'a length among the trailers': post('Transfer-Encoding: chunked', `0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`),
  'a head that ends in CR LF CR X': `GET /ok HTTP/1.1\r\nHost: api.test\r\n\rX${HIDDEN}`,
  'line feeds only': `GET /ok HTTP/1.1\nHost: api.test\n\n${HIDDEN}`,
  'a bare CR between fields': `GET /ok HTTP/1.1\r\nHost: api.test\rX: y\r\n\r\n${HIDDEN}`,
  'a NUL in a value': `GET /ok HTTP/1.1\r\nHost: api.test\r\nX: a\0b\r\n\r\n${HIDDEN}`,
  'a field without a colon': `GET /ok HTTP/1.1\r\nHost: api.test\r\nX\r\n\r\n${HIDDEN}`,
  'a field without a name': `GET /ok HTTP/1.1\r\nHost: api.test\r\n: y\r\n\r\n${HIDDEN}`,
  'HTTP/0.9': `GET /ok\r\n${HIDDEN}`,
  'HTTP/0.9 by number': `GET /ok HTTP/0.9\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'HTTP/2.0 by number': `GET /ok HTTP/2.0\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'HTTP/1.2': `GET /ok HTTP/1.2\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'HTTP/1.1 with a space': `GET /ok HTTP/1.1 \r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'the preface of HTTP/2': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${HIDDEN}`,
  'two spaces in the request line': `GET  /ok HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a request line in the target': `GET /ok%20HTTP/1.1%0d%0aX:%20y HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a tab in the target': `GET /ok\tHTTP/1.1 HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a fragment': `GET /ok#/smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a body of GET': `GET /ok HTTP/1.1\r\nHost: api.test\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'a request behind Connection: close': `GET /ok HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n${HIDDEN}`,
  'an upgrade with a request behind it': `GET /ok HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n${HIDDEN}`,
  'an upgrade to h2c': `GET /ok HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n${HIDDEN}`,
  'an upgrade of TLS': `GET /ok HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n${HIDDEN}`,
  'an upgrade that Connection does not name': `GET /ok HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\n\r\n${HIDDEN}`,
  'a tunnel': `CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n\r\n${HIDDEN}`,
  'an expectation and a body at once': post(`Expect: 100-continue\r\nContent-Length: ${HIDDEN.length}`, HIDDEN),
  'an unknown expectation': post(`Expect: y 100-continue\r\nContent-Length: ${HIDDEN.length}`, HIDDEN),
  'two hosts': `GET /ok HTTP/1.1\r\nHost: api.test\r\nHost: evil.test\r\n\r\n${HIDDEN}`,
  'a host in the target': `GET http://evil.test/ok HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a user in the target': `GET http://api.test@evil.test/ok HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'an empty line first': `\r\n\r\nGET /ok HTTP/1.1\r\nHost: api.test\r\n\r\n${HIDDEN}`,
  'a header section of 40 KiB': `GET /ok HTTP/1.1\r\nHost: api.test\r\nX: ${'y'.repeat(40_000)}\r\n\r\n${HIDDEN}`,
  '200 header fields': `GET /ok HTTP/1.1\r\nHost: api.test\r\n${'X: y\r\n'.repeat(200)}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'an unfinished head': 'GET /ok HTTP/1.1\r\nHost: api.test\r\nX: y',
}

let gate: TestGate
let seen: Buffer[] = []
const sockets = new Set<Socket>()
/** Answers every request line that it could find, and writes down what it got. */
const server = createServer((socket) => {
  sockets.add(socket)
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes: Buffer) => {
    seen.push(bytes)
    for (const _ of bytes.toString('latin1').matchAll(/^[A-Z]+ \S+ HTTP\/1\.[01]\r$/gm))
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
})

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  gate = await startGate({
    rules: [rule('api.test', { paths: [segments('/ok')], websocket: true }, 'http')],
    servers: { 'api.test': (server.address() as AddressInfo).port },
    internet: new TestAuthority(),
    plainName: 'api.test',
  })
})
after(async () => {
  await gate.close()
  server.close()
  for (const socket of sockets) socket.destroy()
})

for (const [technique, bytes] of Object.entries(vectors)) {
  test(`${technique}: nothing unjudged reaches the server`, async () => {
    seen = []
    await sendRaw(gate, bytes)
    const arrived = Buffer.concat(seen)
    const requests = parseStrictly(arrived)
    assert.ok(requests !== null, `not strictly one request after the other: ${JSON.stringify(arrived.toString('latin1'))}`)
    assert.ok(
      requests.every(({ target, host }) => target === '/ok' && host === 'api.test'),
      JSON.stringify(requests),
    )
    assert.ok(requests.length <= 1)
  })
}

test('what is no trick arrives, with the hidden request as the body that it is', async () => {
  for (const honest of ['CL.0', 'an honest chunked body', 'a body of GET', 'TE in capitals', 'a chunk extension']) {
    seen = []
    await sendRaw(gate, vectors[honest] ?? '')
    const requests = parseStrictly(Buffer.concat(seen))
    assert.equal(requests?.length, 1, honest)
    assert.ok(['', 'x', HIDDEN].includes(requests?.[0]?.body ?? 'none'), honest)
  }
})
