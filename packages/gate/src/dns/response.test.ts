// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { u16, wireName } from './_messages.ts'
import { readName } from './name.ts'
import { createQuestion, type ParsedResponse, parseResponse, type Question } from './response.ts'

const question = createQuestion('x.test', 1) as Question

/** An answer whose one record has this owner. */
function answerOwnedBy(owner: Buffer, tail: Buffer = Buffer.alloc(0)): ParsedResponse {
  return parseResponse(Buffer.concat([answerOf(owner), tail]), question, 'udp')
}

function answerOf(owner: Buffer): Buffer {
  const head = Buffer.from(question.message)
  head.writeUInt16BE(0x8180, 2)
  head.writeUInt16BE(1, 6)
  const record = Buffer.concat([owner, u16(1, 1, 0, 60, 4), Buffer.from([192, 0, 2, 1])])
  return Buffer.concat([head, record])
}

const recordAt = question.message.length

test('a name may be written with pointers that lead backwards, also from pointer to pointer', () => {
  assert.equal(answerOwnedBy(Buffer.from([0xc0, 12])).kind, 'answer')
  const suffix = Buffer.concat([Buffer.from('\x01X', 'latin1'), Buffer.from([0xc0, 14])])
  const answer = answerOwnedBy(suffix)
  assert.deepEqual(answer.kind === 'answer' && answer.addresses, ['192.0.2.1'])
})

test('a pointer to itself, forward, or behind the message makes the answer malformed', () => {
  const forward = recordAt + 16
  for (const pointer of [recordAt, recordAt + 1, forward, 0x3fff]) {
    const owner = Buffer.from([0xc0 | (pointer >> 8), pointer & 255])
    assert.equal(answerOwnedBy(owner, wireName('x.test')).kind, 'failed', String(pointer))
  }
  // two that point at each other
  assert.equal(answerOwnedBy(Buffer.concat([Buffer.from([0xc0, recordAt + 2]), Buffer.from([0xc0, recordAt])])).kind, 'failed')
})

test('an answer that ends within a record is malformed', () => {
  const head = Buffer.from(question.message)
  head.writeUInt16BE(0x8180, 2)
  head.writeUInt16BE(1, 6)
  const whole = Buffer.concat([head, Buffer.from([0xc0, 12]), u16(1, 1, 0, 60, 4), Buffer.from([192, 0, 2, 1])])
  assert.equal(parseResponse(whole, question, 'udp').kind, 'answer')
  for (let length = head.length; length < whole.length; length += 1)
    assert.equal(parseResponse(whole.subarray(0, length), question, 'udp').kind, 'failed')
})

test('a label of a reserved type is no pointer, and a name has so many pointers at most', () => {
  const reserved = Buffer.from([0x80, 12])
  assert.equal(answerOwnedBy(reserved).kind, 'failed')
  // each of two bytes, the first to an empty name, every other to the one before
  const chain = Buffer.from([0, ...Array.from({ length: 33 }, (_, index) => [0xc0, Math.max(0, 2 * index - 1)]).flat()])
  assert.notEqual(readName(chain, 1 + 2 * 31, 'allowed'), null)
  assert.equal(readName(chain, 1 + 2 * 32, 'allowed'), null)
})

test('an answer with another number of questions is no answer, and a record of another class is none of ours', () => {
  const twice = answerOf(Buffer.from([0xc0, 12]))
  twice.writeUInt16BE(2, 4)
  assert.equal(parseResponse(twice, question, 'udp').kind, 'foreign')
  const chaos = answerOf(Buffer.from([0xc0, 12]))
  chaos.writeUInt16BE(3, recordAt + 4)
  assert.deepEqual(parseResponse(chaos, question, 'udp'), { kind: 'answer', addresses: [], ttlSeconds: 0 })
})
