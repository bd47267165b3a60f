// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SandboxError } from '../sandbox-error.ts'
import { findSubordinateIds, IDS_OF_JOB, mapOf, slotsOf } from './subordinate-ids.ts'

const owner = { id: 1000, name: 'alice' }
const refused = (text: string | null, expected: RegExp): void => {
  assert.throws(
    () => findSubordinateIds('subuid', text, owner),
    (error: unknown) =>
      error instanceof SandboxError && error.code === 'SANDBOX_UNSUPPORTED' && expected.test(`${error.message}; ${error.hint}`),
  )
}

test('a range is found by name and by number, and the largest one counts', () => {
  assert.deepEqual(findSubordinateIds('subuid', 'alice:100000:65536\n', owner), { first: 100_000, count: 65_536 })
  assert.deepEqual(findSubordinateIds('subuid', '# comment\nbob:165536:65536\n1000:100000:5000\nalice:300000:65536\n', owner), {
    first: 300_000,
    count: 65_536,
  })
  assert.deepEqual(findSubordinateIds('subgid', '4711:100000:65536\n', { id: 4711, name: null }), { first: 100_000, count: 65_536 })
})

test('no line, none of this user, and lines that are none are refused with the line that is missing', () => {
  for (const text of [null, '', 'bob:100000:65536\n', 'alice:100000\n', 'alice:x:65536\n', 'alice:100000:65536:1\n'])
    refused(text, /has no line for "alice"; .*usermod --add-subuids 524288-589823 alice/)
})

test('a range too small for one job and its gate is refused with both numbers', () => {
  refused(`alice:100000:${IDS_OF_JOB}\n`, /4096 ids, and one job takes 4097/)
  assert.equal(findSubordinateIds('subuid', `alice:100000:${IDS_OF_JOB + 1}\n`, owner).count, IDS_OF_JOB + 1)
})

test('ids of somebody else, of accounts, of the user, and of root’s own jobs are refused', () => {
  refused('alice:100000:65536\nbob:165535:1\n', /some of them to "bob"/)
  refused('alice:1000:65536\n', /ids from 1000/)
  refused(`alice:${0x7000_0000 - 10}:65536\n`, /root's jobs/)
  assert.throws(() => findSubordinateIds('subuid', 'alice:100000:65536\n', { id: 100_001, name: 'alice' }), SandboxError)
})

test('the map puts the user at 0, each slot where a keeper looks for it, and no id twice', () => {
  const range = { first: 100_000, count: 65_536 }
  const slots = slotsOf(range)
  assert.equal(slots, 15)
  const map = mapOf(1000, range, slots)
  const extents = Array.from({ length: map.length / 3 }, (_, index) => map.slice(index * 3, index * 3 + 3))
  assert.deepEqual(extents[0], [0, 1000, 1])
  assert.deepEqual(extents[1], [0x7000_0000, 100_000, 4096])
  assert.deepEqual(extents[2], [0x7001_0000, 104_096, 4096])
  const outside = extents.slice(1).flatMap(([, first = 0, count = 0]) => Array.from({ length: count }, (_, index) => first + index))
  assert.equal(new Set(outside).size, outside.length)
  assert.ok(outside.every((id) => id >= range.first && id < range.first + range.count))
})

test('the smaller of two ranges says how many jobs there can be, and there is a most', () => {
  assert.equal(slotsOf({ first: 0, count: 65_536 }, { first: 0, count: 4097 }), 1)
  assert.equal(slotsOf({ first: 0, count: 1 << 30 }), 64)
})
