// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOuterNamespace } from './outer-namespace.ts'

test('root of the host, of a container, and a user without a namespace of ours are in none', () => {
  for (const text of ['         0          0 4294967295\n', '0 100000 65536\n', '0 1000 1\n', '0 1000 1\n1 100000 65536\n', ''])
    assert.equal(readOuterNamespace(text), null)
})

test('the map says who the user is, how many jobs there can be, and what the host calls an id', () => {
  const outer = readOuterNamespace('0 1000 1\n1879048192 100000 4096\n1879113728 104096 4096\n2147418112 108192 2\n')
  assert.ok(outer !== null)
  assert.deepEqual([outer.userId, outer.slots, outer.ids], [1000, 2, 4096])
  assert.deepEqual(
    [outer.hostId(0), outer.hostId(1_879_048_193), outer.hostId(2_147_418_113), outer.hostId(5)],
    [1000, 100_001, 108_193, -1],
  )
})
