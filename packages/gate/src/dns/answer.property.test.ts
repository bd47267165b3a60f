// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { optRecord, questionMessage, readAnswer, u16, wireName } from './_messages.ts'
import { answerQuery } from './answer.ts'
import { createQuestion, parseResponse } from './response.ts'

const RUNS = process.env['SLOW'] === '1' ? 300_000 : 10_000

const ALLOWED: ReadonlySet<string> = new Set(['allowed.test', 'a.b.allowed.test', 'x'])

/** What the judge was asked last, and whether it is a name that a rule could mean at all. */
function answerOf(message: Buffer): ReturnType<typeof answerQuery> {
  return answerQuery(message, {
    judge(name) {
      assert.match(name, /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/)
      assert.ok(name.length <= 253)
      return ALLOWED.has(name)
        ? { kind: 'address', address: '198.19.0.1' }
        : { kind: 'refused', reason: `no rule allows ${name} (sallyport.yml)`.repeat(3) }
    },
    nameOf: () => null,
  })
}

/** True if there was an address. None but for a question whose bytes, read here once more, are an allowed name. */
function assertHarmless(message: Buffer): boolean {
  const { response } = answerOf(message)
  if (response === null) return false
  const answer = readAnswer(response)
  assert.equal(answer.flags & 0x8000, 0x8000)
  assert.equal(answer.id, message.readUInt16BE(0))
  if (answer.question.length > 0) assert.deepEqual(answer.question, message.subarray(12, 12 + answer.question.length))
  if (answer.answers.length === 0) return false
  const wires = [...ALLOWED].map((name) => Buffer.concat([wireName(name), u16(1, 1)]).toString('latin1'))
  assert.ok(wires.includes(answer.question.toString('latin1').toLowerCase()), answer.question.toString('hex'))
  return true
}

const labels = fc.oneof(
  fc.constantFrom('allowed', 'test', 'a', 'b', 'x', 'ALLOWED', 'evil', 'allowed.test', '', 'test\0', '_tcp'),
  fc.string({ unit: 'binary-ascii', maxLength: 70 }),
)
const anyNames = fc
  .array(labels, { maxLength: 8 })
  .map((parts) =>
    Buffer.concat([
      ...parts.map((part) => Buffer.concat([Buffer.from([part.length & 255]), Buffer.from(part, 'latin1')])),
      Buffer.from([0]),
    ]),
  )
const names = fc.oneof(anyNames, { weight: 2, arbitrary: fc.constantFrom(...ALLOWED).map(wireName) })
const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength, size: 'max' }).map((array) => Buffer.from(array))
const additional = fc.option(
  fc.oneof(
    bytes(40),
    bytes(40).map((options) => optRecord(options)),
    fc.constant(optRecord()),
  ),
  { nil: undefined },
)
const queries = fc
  .record({
    name: names,
    id: fc.nat(65_535),
    flags: fc.constantFrom(0x0100, 0, 0x0120, 0x0110, 0x8180),
    type: fc.constantFrom(1, 1, 1, 28, 65, 255),
    additional,
  })
  .map(({ name, additional: more, ...parts }) => questionMessage(name, more === undefined ? parts : { ...parts, additional: more }))

/** Bytes changed, cut, doubled or put in, anywhere. */
const mutation = fc.record({ at: fc.nat(400), kind: fc.constantFrom('set', 'cut', 'insert', 'pointer'), value: fc.nat(255) })
const mutations = fc.oneof(fc.array(mutation, { maxLength: 1 }), fc.array(mutation, { maxLength: 6 }))

function mutate(message: Buffer, changes: readonly { at: number; kind: string; value: number }[]): Buffer {
  let mutated = Buffer.from(message)
  for (const { at, kind, value } of changes) {
    const place = at % (mutated.length + 1)
    if (kind === 'set' && place < mutated.length) mutated[place] = value
    if (kind === 'cut') mutated = Buffer.from(mutated.subarray(0, place))
    if (kind === 'insert') mutated = Buffer.concat([mutated.subarray(0, place), Buffer.from([value]), mutated.subarray(place)])
    if (kind === 'pointer') mutated = Buffer.concat([mutated.subarray(0, place), Buffer.from([0xc0, value]), mutated.subarray(place)])
  }
  return mutated
}

test('random bytes never throw and never make an address of a name that is not allowed', () => {
  fc.assert(
    fc.property(bytes(600), (message) => void assertHarmless(message)),
    { numRuns: RUNS },
  )
})

test('questions, whole and mutated, never throw and never make an address of a name that is not allowed', () => {
  let addresses = 0
  fc.assert(
    fc.property(queries, mutations, (message, changes) => {
      if (assertHarmless(mutate(message, changes))) addresses += 1
    }),
    { numRuns: RUNS },
  )
  assert.ok(addresses > RUNS / 100, `only ${addresses} of the questions were good ones`)
})

test('an allowed name in any letter case, with or without EDNS, always has its address', () => {
  const cased = fc.constantFrom(...ALLOWED).chain((name) => fc.mixedCase(fc.constant(name)))
  fc.assert(
    fc.property(cased, fc.option(bytes(60), { nil: undefined }), (name, padding) => {
      const option = padding === undefined ? undefined : optRecord(Buffer.concat([u16(12, padding.length), padding]))
      const answer = readAnswer(answerOf(questionMessage(name, option === undefined ? {} : { additional: option })).response)
      assert.equal(answer.answers.length, 1)
    }),
  )
})

test('answers of a name server, random and mutated, never throw and give no more addresses than the bound', () => {
  const question = createQuestion('a.b.allowed.test', 1)
  assert.ok(question !== null)
  const record = (name: Buffer, type: number, data: Buffer): Buffer => Buffer.concat([name, u16(type, 1, 0, 60, data.length), data])
  const owners = fc.constantFrom(Buffer.from([0xc0, 12]), Buffer.from([0xc0, 14]), wireName('other.test'), Buffer.from([0xc0, 40]))
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((four) => record(Buffer.from([0xc0, 12]), 1, Buffer.from(four)))
  const records = fc.oneof(
    { weight: 6, arbitrary: address },
    fc.tuple(owners, bytes(5)).map(([owner, data]) => record(owner, 1, data)),
    fc.tuple(owners, owners).map(([owner, target]) => record(owner, 5, target)),
    bytes(30),
  )
  const responses = fc.array(records, { maxLength: 40, size: 'max' }).map((all) => {
    const head = Buffer.from(question.message)
    head.writeUInt16BE(0x8180, 2)
    head.writeUInt16BE(all.length, 6)
    return Buffer.concat([head, ...all])
  })
  fc.assert(
    fc.property(fc.oneof(responses, bytes(300)), mutations, fc.boolean(), (message, changes, isMutated) => {
      const parsed = parseResponse(isMutated ? mutate(message, changes) : message, question, 'udp')
      if (parsed.kind !== 'answer') return
      assert.ok(parsed.addresses.length <= 16)
      for (const address of parsed.addresses) assert.match(address, /^\d+\.\d+\.\d+\.\d+$/)
    }),
    { numRuns: RUNS },
  )
})
