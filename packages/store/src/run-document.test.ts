// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkDocument, commitToDocument, formatDocument } from './run-document.ts'

const FACTS = {
  id: 'r1',
  conclusion: 'failure',
  jobs: [{ key: 'a', outputs: { '2': 'x', '1': 'ö\ud800\ufffd', ['__proto__']: 'p' }, left: undefined }],
  error: null,
  zero: -0,
}
const LOG = { origin: 'o/x', first: 3, last: 9, size: 12, unpublished: null }
const PLACE = { first: 3, last: 9 }
const { commitment, salt } = commitToDocument(FACTS)

function check(text: string | Uint8Array, place: Parameters<typeof checkDocument>[2] = PLACE): string {
  return checkDocument(Buffer.from(text), commitment, place)
}

const written = (facts: object, log: object | null = { ...LOG, salt }): string => formatDocument({ ...facts, log })

test('a document is the one that was committed to after it was written', () => {
  assert.equal(check(written(FACTS)), 'kept')
  assert.equal(check(written(FACTS), { first: null, last: 9 }), 'kept')
  assert.equal(commitment.bytes, Buffer.byteLength(JSON.stringify(FACTS)))
})

for (const [what, text] of [
  ['another value', written({ ...FACTS, conclusion: 'success' })],
  ['a member more', written({ ...FACTS, more: 1 })],
  ['another order', written(Object.fromEntries(Object.entries(FACTS).toReversed()))],
  ['the salt of another', written(FACTS, { ...LOG, salt: commitToDocument(FACTS).salt })],
  ['no salt', written(FACTS, LOG)],
  ['a salt that is no text', written(FACTS, { ...LOG, salt: 7 })],
  ['a salt with something in it that is no base64', written(FACTS, { ...LOG, salt: `${salt} ` })],
  ['another place', written(FACTS, { ...LOG, first: 2, salt })],
  ['another end', written(FACTS, { ...LOG, last: 10, salt })],
  ['a member more of its place', written(FACTS, { ...LOG, approved: true, salt })],
  ['no place', formatDocument(FACTS)],
  ['a list in its place', formatDocument({ ...FACTS, log: [] })],
  ['a member twice, of which one parser takes the first', written(FACTS).replace('{', '{\n  "conclusion": "success",')],
  ['a number that one parser takes for null', written(FACTS).replace('"error": null', '"error": 1e400')],
  ['a minus that one parser passes over', written(FACTS).replace('"zero": 0', '"zero": -0')],
  ['blanks', `${written(FACTS)} `],
  ['nothing', ''],
  ['no object', 'null\n'],
] as const)
  test(`${what} makes it another document`, () => assert.equal(check(text), 'different'))

test('bytes that are no UTF-8 are not what they are read as', () => {
  const text = Buffer.from(written(FACTS))
  const at = text.indexOf('\ufffd')
  assert.equal(check(Buffer.concat([text.subarray(0, at), Buffer.from([0xff]), text.subarray(at + 3)])), 'different')
})

test('one that says that it could not be logged is told apart', () => assert.equal(check(written(FACTS, null)), 'unlogged'))

test('who knows the document cannot tell from the commitment alone that it is its', () => {
  assert.notEqual(commitToDocument(FACTS).commitment.commitment, commitment.commitment)
})
