// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkDocument, commitToDocument } from './run-document.ts'

const FACTS = {
  id: 'r1',
  conclusion: 'failure',
  jobs: [{ key: 'a', outputs: { '2': 'x', '1': 'ö\ud800', ['__proto__']: 'p' } }],
  error: null,
}

function written(facts: object, salt: unknown): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify({ ...facts, log: { first: 1, salt } }, null, 2)) as Record<string, unknown>
}

test('a document is the one that was committed to after it was written and read', () => {
  const { commitment, salt } = commitToDocument(FACTS)
  assert.equal(checkDocument(written(FACTS, salt), commitment), 'kept')
  assert.equal(commitment.bytes, Buffer.byteLength(JSON.stringify(FACTS)))
})

test('another one is not, nor is one without its salt', () => {
  const { commitment, salt } = commitToDocument(FACTS)
  const other = commitToDocument(FACTS)
  for (const [facts, theirs] of [
    [{ ...FACTS, conclusion: 'success' }, salt],
    [{ ...FACTS, more: 1 }, salt],
    [Object.fromEntries(Object.entries(FACTS).toReversed()), salt],
    [FACTS, other.salt],
    [FACTS, undefined],
    [FACTS, 7],
  ] as const)
    assert.equal(checkDocument(written(facts, theirs), commitment), 'different', JSON.stringify(facts))
  assert.equal(checkDocument({ ...FACTS, log: null }, commitment), 'different')
  assert.equal(checkDocument(FACTS, commitment), 'different')
})

test('who knows the document cannot tell from the commitment alone that it is its', () => {
  assert.notEqual(commitToDocument(FACTS).commitment.commitment, commitToDocument(FACTS).commitment.commitment)
})
