// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import { createJobAuthority } from '../authority/job-authority.ts'
import { captureHello, hello, inRecords } from './_client-hellos.ts'
import { asksForSecondHello, readSecondHello } from './second-hello.ts'

const RUNS = process.env['SLOW'] === '1' ? 100_000 : 2000
const RETRY_RANDOM = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')

function serverHello(random: Buffer): Buffer {
  return Buffer.concat([Buffer.from([22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3]), random, Buffer.from([0, 0x13, 1, 0, 0, 0])])
}

/** The first thing that Node's server says to a real client. */
async function realAnswer(curve: string): Promise<Buffer> {
  const authority = await createJobAuthority([{ kind: 'exact', name: 'a.test' }], new Date())
  const server = createTlsServer({ ecdhCurve: curve, SNICallback: (name, done) => done(null, authority.certificateFor(name).context) })
  server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write(await captureHello({ servername: 'a.test', ecdhCurve: 'X25519:P-256', minVersion: 'TLSv1.3' }))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  server.close()
  return answer
}

test("a real server's question for another ClientHello is told from an answer", async () => {
  const question = await realAnswer('P-256')
  assert.equal(question.subarray(11, 43).toString('hex'), RETRY_RANDOM.toString('hex'))
  assert.equal(asksForSecondHello(question), true)
  assert.equal(asksForSecondHello(await realAnswer('X25519')), false)
})

test('an answer is known by its first bytes, however they are cut, and behind a warning', () => {
  for (const [random, asks] of [
    [RETRY_RANDOM, true],
    [Buffer.alloc(32, 9), false],
  ] as const) {
    for (const before of [Buffer.alloc(0), Buffer.from([21, 3, 1, 0, 2, 1, 112])]) {
      const bytes = Buffer.concat([before, serverHello(random)])
      for (let length = 0; length < before.length + 43; length++) assert.equal(asksForSecondHello(bytes.subarray(0, length)), null)
      for (let length = before.length + 43; length <= bytes.length; length++)
        assert.equal(asksForSecondHello(bytes.subarray(0, length)), asks)
    }
  }
})

test('what is no ServerHello counts as a question, at its first bytes', () => {
  for (const words of ['HTTP/1.1 400 \r\n', '\u0015\u0003\u0003\0\u0002\u0002\u0028', '\u0016\u0003\u0003\0\u0004', '\u0017'])
    assert.equal(asksForSecondHello(Buffer.from(words, 'latin1')), true, JSON.stringify(words))
  const request = serverHello(Buffer.alloc(32, 9))
  request[5] = 0
  assert.equal(asksForSecondHello(request), true)
})

test('no random bytes are an answer that lets anything follow', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
      const bytes = Buffer.from(random)
      if (asksForSecondHello(bytes) === false) assert.ok(bytes.length >= 43 && bytes.includes(Buffer.from([22])))
    }),
    { numRuns: RUNS },
  )
})

test('a second ClientHello is read behind a dummy record and early data, and nothing else', () => {
  const second = inRecords(hello({ names: ['a.test'] }))
  const early = Buffer.from([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 3, 22, 3, 1])
  for (const before of [Buffer.alloc(0), early, early.subarray(0, 6)]) {
    const bytes = Buffer.concat([before, second])
    for (let length = 0; length < bytes.length; length++) assert.equal(readSecondHello(bytes.subarray(0, length)).kind, 'incomplete')
    const reading = readSecondHello(bytes)
    assert.ok(reading.kind === 'hello' && reading.hello.serverName === 'a.test')
  }
  for (const type of [21, 24, 0, 0x80])
    assert.partialDeepStrictEqual(readSecondHello(Buffer.from([type, 3, 3, 0, 1, 1])), { kind: 'refused', code: 'protocol' })
})

test('early data without end is refused', () => {
  const record = Buffer.concat([Buffer.from([23, 3, 3, 64, 0]), Buffer.alloc(16_384)])
  const flood = Buffer.concat([...Array<Buffer>(5).fill(record), Buffer.from([23])])
  assert.partialDeepStrictEqual(readSecondHello(flood), { kind: 'refused', code: 'malformed' })
})
