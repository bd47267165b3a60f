// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hello, inRecords } from '../tls/_client-hellos.ts'
import { protocolOf, readOpening, saysSsh } from './opening.ts'

const RUNS = process.env['SLOW'] === '1' ? 20_000 : 500

const kindOf = (words: string): string => readOpening(Buffer.from(words, 'latin1')).kind

test('TLS, HTTP and SSH are told by their first bytes', () => {
  assert.equal(readOpening(inRecords(hello({ names: ['a.test'] }))).kind, 'tls')
  for (const words of ['GET /', 'POST http://a.test/ HTTP/1.1\r\n', 'VERSION-CONTROL /', 'SEARCH /', 'PRI / HTTP/1.1'])
    assert.equal(kindOf(words), 'http', words)
  for (const words of ['SSH-2.0-OpenSSH_9.2\r\n', 'SSH-2.0-x comment\nmore']) assert.equal(kindOf(words), 'ssh', words)
})

test('what is none of them is refused as soon as it cannot become one', () => {
  const others = [
    '\0',
    '\r\nGET /',
    ' GET /',
    'GET\t/',
    'SSH-1.5-x\r\n',
    'SSH-2.0-\0\n',
    `SSH-2.0-${'x'.repeat(300)}`,
    'x'.repeat(33),
    'EHLO.a',
    '\u0080',
    'GE\r\n',
    '{"a":1}',
  ]
  for (const words of others) assert.equal(kindOf(words), 'refused', JSON.stringify(words))
  assert.equal(kindOf('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'refused')
})

test('nothing is decided before it has to be', () => {
  for (const words of ['', 'G', 'GET', 'S', 'SSH-2', 'SSH-2.0-x', 'PRI *', 'P', 'x'.repeat(32), '\u0016', '\u0016\u0003\u0001\0'])
    assert.equal(kindOf(words), 'incomplete', words)
})

test('no bytes crash it, and more bytes never change an answer', () => {
  const beginnings = fc.constantFrom('', 'GET /', 'SSH-2.0-', 'PRI * HTTP/2.0', '\u0016\u0003\u0001\u0000\u0010\u0001')
  fc.assert(
    fc.property(beginnings, fc.nat(14), fc.uint8Array({ maxLength: 300 }), fc.nat(300), (beginning, kept, random, cut) => {
      const bytes = Buffer.concat([Buffer.from(beginning.slice(0, kept), 'latin1'), random])
      const early = readOpening(bytes.subarray(0, cut))
      if (early.kind !== 'incomplete') assert.deepEqual(readOpening(bytes), early)
    }),
    { numRuns: RUNS },
  )
})

test('for the record, bytes that may be anything are named by what came first', () => {
  assert.equal(protocolOf(Buffer.from([22, 3, 1])), 'tls')
  assert.equal(protocolOf(Buffer.from('GET / HTTP/1.1')), 'http')
  assert.equal(protocolOf(Buffer.from('SSH-2.0-x\r\n')), 'ssh')
  for (const words of ['PING\r\n', 'P', '\0']) assert.equal(protocolOf(Buffer.from(words)), 'tcp')
})

test('a server of ssh may say lines before it says what it is', () => {
  assert.equal(saysSsh(Buffer.from('SSH-2.0-x\r\n')), true)
  assert.equal(saysSsh(Buffer.from('welcome\r\nto us\r\nSSH-1.99-x\r\n')), true)
  assert.equal(saysSsh(Buffer.from('welcome\r\nSSH-2.0')), null)
  assert.equal(saysSsh(Buffer.from('SSH-1.5-x\r\n')), false)
  assert.equal(saysSsh(Buffer.alloc(9000, 'x\n')), false)
})
