// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { optRecord, questionMessage, readAnswer, u16, wireName } from './_messages.ts'
import { answerQuery, type NameJudge } from './answer.ts'

const judge: NameJudge = {
  judge(name) {
    if (name === 'full.test') return { kind: 'exhausted' }
    if (name === 'allowed.test' || name === '_dmarc.allowed.test') return { kind: 'address', address: '198.19.3.7' }
    return { kind: 'refused', reason: `no rule allows ${name} (sallyport.yml)` }
  },
  nameOf: (address) => (address === '198.19.3.7' ? 'allowed.test' : null),
}

const ask = (message: Buffer): ReturnType<typeof readAnswer> => readAnswer(answerQuery(message, judge).response)

test('an allowed name has its synthetic address, for a short time', () => {
  const answer = ask(questionMessage('allowed.test', { id: 0xbeef }))
  assert.equal(answer.id, 0xbeef)
  assert.equal(answer.flags, 0x8180)
  assert.equal(answer.hasOpt, false)
  assert.deepEqual(answer.answers, [{ type: 1, class: 1, ttl: 30, data: Buffer.from([198, 19, 3, 7]) }])
})

test('what usual clients send is a question', () => {
  const lines = readFileSync(new URL('../../vectors/dns-query.valid.txt', import.meta.url), 'utf8').split('\n')
  const cases = lines.filter((line) => /^[0-9a-f]/.test(line)).map((line) => line.split(/ (.*)/))
  assert.ok(cases.length > 15)
  for (const [hex = '', client] of cases) {
    const message = Buffer.from(hex, 'hex')
    const { code, answers, question, flags } = ask(message)
    const type = question.readUInt16BE(question.length - 4)
    assert.deepEqual([client, code, answers.length], [client, 0, type === 1 ? 1 : 0])
    assert.deepEqual(
      [client, question, flags & 0x0110],
      [client, message.subarray(12, 12 + question.length), message.readUInt16BE(2) & 0x0110],
    )
  }
})

test('letter case is judged away and comes back as it was asked', () => {
  const question = questionMessage('aLLoWeD.TesT').subarray(12)
  const answer = ask(questionMessage('aLLoWeD.TesT'))
  assert.deepEqual(answer.question, question)
  assert.equal(answer.answers.length, 1)
})

test('every other record type of an allowed name is empty, with an SOA record to keep the answer by', () => {
  const types = {
    ns: 2,
    cname: 5,
    soa: 6,
    mx: 15,
    txt: 16,
    aaaa: 28,
    srv: 33,
    svcb: 64,
    https: 65,
    axfr: 252,
    any: 255,
    caa: 257,
    null: 10,
    private: 65_400,
  }
  for (const [name, type] of Object.entries(types)) {
    const answer = ask(questionMessage('allowed.test', { type }))
    assert.deepEqual([name, answer.code, answer.answers.length], [name, 0, 0])
    assert.deepEqual(
      answer.authorities.map((record) => [record.type, record.ttl, record.data.readUInt32BE(record.data.length - 4)]),
      [[6, 30, 30]],
    )
  }
})

test('a name that no rule allows does not exist, whatever is asked about it, and the reason is in the answer', () => {
  for (const type of [1, 28, 16, 65, 255]) {
    const answer = ask(questionMessage('Evil.test', { type, additional: optRecord() }))
    assert.deepEqual([answer.code, answer.answers.length, answer.authorities.length], [3, 0, 1])
    assert.deepEqual(answer.extended, { code: 15, text: 'no rule allows evil.test (sallyport.yml)' })
  }
})

test('a client that does not speak EDNS gets none of it', () => {
  assert.deepEqual([ask(questionMessage('evil.test')).hasOpt, ask(questionMessage('evil.test')).extended], [false, null])
})

test('a step that asked for too many names is told that it failed, not that the name does not exist', () => {
  assert.equal(ask(questionMessage('full.test')).code, 2)
})

test('what a synthetic address stands for can be asked by the step that has it; about the rest of the job network there is nothing', () => {
  const known = ask(questionMessage('7.3.19.198.in-addr.arpa', { type: 12 }))
  assert.deepEqual(
    known.answers.map((record) => [record.type, record.data]),
    [[12, wireName('allowed.test')]],
  )
  assert.equal(ask(questionMessage('7.3.19.198.in-addr.arpa', { type: 16 })).code, 0)
  assert.equal(ask(questionMessage('8.3.19.198.in-addr.arpa', { type: 12 })).code, 3)
  assert.equal(ask(questionMessage('1.0.18.198.in-addr.arpa', { type: 12 })).code, 3)
})

test('addresses outside the job network are judged as every name is', () => {
  const answer = ask(questionMessage('8.8.8.8.in-addr.arpa', { type: 12, additional: optRecord() }))
  assert.deepEqual([answer.code, answer.extended?.code], [3, 15])
})

test('other classes are refused', () => {
  for (const queryClass of [3, 4, 254, 255]) assert.equal(ask(questionMessage('allowed.test', { class: queryClass })).code, 5)
})

test('the root is refused and not denied: nothing would exist below it', () => {
  assert.equal(ask(questionMessage('', { type: 2 })).code, 5)
})

test('a name that no host has is denied and reported with its strange bytes escaped', () => {
  for (const name of ['al lowed.test', 'allowed\0.test', 'allowed.test\r\nx', 'ällowed.test', '*.allowed.test', '\u001b[31m.test']) {
    const { response, malformed } = answerQuery(questionMessage(name), judge)
    assert.equal(readAnswer(response).code, 3)
    assert.match(malformed?.target ?? '', /^[ -~]+$/)
  }
})

test('a dot inside a label is no border between labels', () => {
  const answer = ask(questionMessage(Buffer.concat([Buffer.from([12]), Buffer.from('allowed.test'), Buffer.from([0])])))
  assert.deepEqual([answer.code, answer.answers.length], [3, 0])
})

test('what is itself an answer, or no message, gets none', () => {
  assert.equal(answerQuery(questionMessage('allowed.test', { flags: 0x8180 }), judge).response, null)
  for (let length = 0; length < 12; length += 1)
    assert.equal(answerQuery(questionMessage('allowed.test').subarray(0, length), judge).response, null)
})

test('what is not exactly one plain question is an error', () => {
  const plain = questionMessage('allowed.test')
  const counted = (...counts: number[]): Buffer => Buffer.concat([plain.subarray(0, 4), u16(...counts), plain.subarray(12)])
  const cases: Record<string, Buffer> = {
    'no question': counted(0, 0, 0, 0),
    'two questions': Buffer.concat([counted(2, 0, 0, 0), wireName('evil.test'), u16(1, 1)]),
    'an answer record': counted(1, 1, 0, 0),
    'an authority record': counted(1, 0, 1, 0),
    'two additional records': Buffer.concat([counted(1, 0, 0, 2), optRecord(), optRecord()]),
    'an additional record that is not OPT': Buffer.concat([counted(1, 0, 0, 1), Buffer.from([0]), u16(250, 255, 0, 0, 0)]),
    'an additional record that is missing': counted(1, 0, 0, 1),
    'a second additional record that is missing': Buffer.concat([counted(1, 0, 0, 2), optRecord()]),
    'bytes behind the question': Buffer.concat([plain, Buffer.from('evil')]),
    'bytes behind the OPT record': Buffer.concat([questionMessage('allowed.test', { additional: optRecord() }), Buffer.from([0])]),
    'an OPT record of a name': questionMessage('allowed.test', { additional: Buffer.concat([wireName('x'), optRecord().subarray(1)]) }),
    'an OPT record longer than the message': questionMessage('allowed.test', { additional: optRecord(Buffer.alloc(9)).subarray(0, 14) }),
    'an option longer than its record': questionMessage('allowed.test', { additional: optRecord(u16(10, 9, 0)) }),
    'half an option': questionMessage('allowed.test', { additional: optRecord(u16(10)) }),
    'a name without end': plain.subarray(0, 20),
    'a question without class': plain.subarray(0, -2),
    'a pointer to itself': questionMessage(Buffer.from([0xc0, 12])),
    'a pointer into the header': questionMessage(Buffer.from([0xc0, 5])),
    'a pointer forward': Buffer.concat([questionMessage(Buffer.from([0xc0, 18])), wireName('allowed.test')]),
    'a pointer after a label': questionMessage(Buffer.concat([Buffer.from('\x07allowed', 'latin1'), Buffer.from([0xc0, 0])])),
    'an extended label': questionMessage(Buffer.from([0x41, 1, 0])),
    'a label of 64 bytes': questionMessage(Buffer.concat([Buffer.from([64]), Buffer.alloc(64, 'a'), Buffer.from([0])])),
    'a name of 256 bytes': questionMessage(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(62)}`),
  }
  for (const [name, message] of Object.entries(cases))
    assert.deepEqual([name, ask(message).code, ask(message).answers.length], [name, 1, 0])
})

test('a name of 255 bytes is judged', () => {
  assert.equal(
    ask(questionMessage(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`, { additional: optRecord() })).code,
    3,
  )
})

test('other operations are not implemented, and other versions of EDNS have a code of their own', () => {
  for (const operation of [1, 2, 4, 5, 6, 15])
    assert.equal(ask(questionMessage('allowed.test', { flags: 0x0100 | (operation << 11) })).code, 4)
  const answer = ask(questionMessage('allowed.test', { additional: optRecord(undefined, { version: 1 }) }))
  assert.deepEqual([answer.code, answer.answers.length], [16, 0])
})
