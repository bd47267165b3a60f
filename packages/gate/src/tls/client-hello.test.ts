// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { captureHello, hello, inRecords } from './_client-hellos.ts'
import { readClientHello } from './client-hello.ts'

const RUNS = process.env['SLOW'] === '1' ? 20_000 : 400

test('a real ClientHello of Node is read', async () => {
  const bytes = await captureHello({ servername: 'Registry.Example.TEST', ALPNProtocols: ['h2', 'http/1.1'] })
  const reading = readClientHello(bytes)
  assert.ok(reading.kind === 'hello')
  assert.equal(reading.hello.serverName, 'registry.example.test')
  assert.deepEqual(reading.hello.applicationProtocols, ['h2', 'http/1.1'])
  assert.equal(reading.hello.hasEncryptedClientHello, false)
  assert.ok(reading.hello.supportedVersions.includes(0x0304))
})

test('a real ClientHello of TLS 1.2 without a name is read', async () => {
  const reading = readClientHello(await captureHello({ maxVersion: 'TLSv1.2' }))
  assert.ok(reading.kind === 'hello')
  assert.partialDeepStrictEqual(reading.hello, { serverName: null, applicationProtocols: [], supportedVersions: [0x0303] })
})

test('where the bytes are cut makes no difference, and nothing is decided before the last one', async () => {
  const bytes = await captureHello({ servername: 'a.test' })
  for (let length = 0; length < bytes.length; length++)
    assert.equal(readClientHello(bytes.subarray(0, length)).kind, 'incomplete', String(length))
  const whole = readClientHello(bytes)
  assert.equal(whole.kind, 'hello')
  assert.deepEqual(readClientHello(Buffer.concat([bytes, Buffer.from('more')])), whole)
})

test('a ClientHello in several records is the same one', () => {
  const whole = readClientHello(inRecords(hello({ names: ['a.test'] })))
  assert.equal(whole.kind, 'hello')
  for (let first = 1; first < 60; first++) {
    const bytes = inRecords(hello({ names: ['a.test'] }), first, 7 + first)
    assert.deepEqual(readClientHello(Buffer.concat([bytes, Buffer.from('more')])), { ...whole, bytes: bytes.length })
  }
})

test('a ClientHello in more records than any client sends is refused, and so is one of more than 16 KiB', () => {
  const parts = Array<number>(40).fill(1)
  assert.partialDeepStrictEqual(readClientHello(inRecords(hello({}), ...parts)), { kind: 'refused', code: 'malformed' })
  const big = Buffer.from([22, 3, 1, 0, 4, 1, 0, 68, 0])
  assert.partialDeepStrictEqual(readClientHello(big), { kind: 'refused', code: 'malformed' })
  const large = inRecords(hello({ names: ['a.test'], extensions: [[21, Buffer.alloc(16_000)]] }), 16_000)
  assert.equal(readClientHello(large).kind, 'hello')
})

test('the beginning of anything else is refused at its first byte', () => {
  for (const words of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x\r\n', '\u0080\u002e\u0001\u0003\u0001', '\0', '\u0017\u0003\u0003\0\u0001']) {
    const bytes = Buffer.from(words, 'latin1')
    assert.partialDeepStrictEqual(readClientHello(bytes.subarray(0, 1)), { kind: 'refused', code: 'protocol' }, JSON.stringify(words))
    assert.partialDeepStrictEqual(readClientHello(bytes), { kind: 'refused', code: 'protocol' }, JSON.stringify(words))
  }
})

test('a name that could be read in two ways is refused', () => {
  const invalid: Parameters<typeof hello>[0][] = [
    { names: ['a.test', 'b.test'] },
    { names: ['a.test\0.evil.test'] },
    { names: [''] },
    { names: ['a test'] },
    { names: ['ä.test'] },
    { names: ['x'.repeat(256)] },
    { names: ['a.test'], nameType: 1 },
    { names: [] },
    { names: ['a.test'], extensions: [[0, Buffer.from([0, 9, 0, 0, 6, ...Buffer.from('b.test')])]] },
    { names: ['a.test'], afterExtensions: Buffer.from([0]) },
    { names: ['a.test'], extensions: [[16, Buffer.from([0, 3, 2, 104])]] },
    { names: ['a.test'], extensions: [[43, Buffer.from([3, 3, 4, 3])]] },
  ]
  for (const parts of invalid) {
    assert.partialDeepStrictEqual(readClientHello(inRecords(hello(parts))), { kind: 'refused', code: 'malformed' }, JSON.stringify(parts))
  }
})

test('a final dot and an address are names like others, to be compared', () => {
  for (const name of ['a.test.', '192.0.2.1', '-a_b.test']) {
    const reading = readClientHello(inRecords(hello({ names: [name] })))
    assert.ok(reading.kind === 'hello' && reading.hello.serverName === name)
  }
})

test('Encrypted ClientHello and its drafts are seen', () => {
  for (const type of [0xfe0d, 0xfe08, 0xffce, 0xfd00]) {
    const reading = readClientHello(inRecords(hello({ names: ['public.test'], extensions: [[type, Buffer.from([0, 1, 2])]] })))
    assert.ok(reading.kind === 'hello' && reading.hello.hasEncryptedClientHello, type.toString(16))
  }
})

test('bytes after the ClientHello in its own record are refused', () => {
  const message = hello({ names: ['a.test'] })
  assert.partialDeepStrictEqual(readClientHello(inRecords(Buffer.concat([message, message]))), { kind: 'refused', code: 'malformed' })
})

test('a record of a version or a length that is none is refused, and so is a session that is too long', () => {
  const message = hello({ names: ['a.test'] })
  const newer = inRecords(message)
  newer[2] = 5
  assert.partialDeepStrictEqual(readClientHello(newer), { kind: 'refused', code: 'protocol' })
  const withEmpty = Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), inRecords(message)])
  assert.partialDeepStrictEqual(readClientHello(withEmpty), { kind: 'refused', code: 'malformed' })
  // 2 bytes of version, 32 of random, and then the session's length
  const session = Buffer.concat([message.subarray(4, 38), Buffer.from([33]), Buffer.alloc(33), message.subarray(39)])
  const long = inRecords(Buffer.concat([Buffer.from([1, 0, 0, session.length]), session]))
  assert.partialDeepStrictEqual(readClientHello(long), { kind: 'refused', code: 'malformed' })
})

test('no bytes crash it, and more bytes never change an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (random, cut) => {
      const bytes = Buffer.from(random)
      const early = readClientHello(bytes.subarray(0, cut))
      if (early.kind !== 'incomplete') assert.deepEqual(readClientHello(bytes), early)
    }),
    { numRuns: RUNS },
  )
})

test('a mutated ClientHello never gets another valid name, and never crashes it', async () => {
  const bytes = await captureHello({ servername: 'a.example.test', ALPNProtocols: ['h2'] })
  const at = bytes.indexOf('a.example.test')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(bytes.length),
      (changes, cut) => {
        const mutated = Buffer.from(bytes)
        for (const [place, value] of changes) mutated[place] = value
        const reading = readClientHello(mutated)
        const early = readClientHello(mutated.subarray(0, cut))
        if (early.kind !== 'incomplete') assert.deepEqual(early, reading)
        if (reading.kind !== 'hello' || reading.hello.serverName === null) return
        // what was read as the name is what stands there, to the byte
        assert.ok(mutated.toString('latin1').toLowerCase().includes(reading.hello.serverName))
        const untouched = changes.every(([place]) => place < at - 9 || place >= at + 14)
        if (untouched && mutated.subarray(at - 9, at - 5).equals(bytes.subarray(at - 9, at - 5)))
          assert.equal(reading.hello.serverName, 'a.example.test')
      },
    ),
    { numRuns: RUNS },
  )
})
