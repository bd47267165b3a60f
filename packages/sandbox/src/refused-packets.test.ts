// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RefusedPacket } from './contract.ts'
import { RefusedPackets } from './refused-packets.ts'

const packet = (changes: Partial<RefusedPacket> = {}): RefusedPacket => ({
  source: '198.18.0.1',
  address: '192.0.2.1',
  protocol: 'udp',
  port: 443,
  ...changes,
})

test('packets are kept for the step that they came from, and given away once', () => {
  const refused = new RefusedPackets()
  const other = packet({ source: '198.18.0.2' })
  refused.add([packet(), other])
  assert.deepEqual(refused.take('198.18.0.1'), [packet()])
  assert.deepEqual(refused.take('198.18.0.1'), [])
  assert.deepEqual(refused.take('198.18.0.2'), [other])
})

test('what belonged to no step goes with the next one that ends', () => {
  const refused = new RefusedPackets()
  const stray = packet({ source: null })
  refused.add([stray])
  assert.deepEqual(refused.take('198.18.0.1'), [stray])
  assert.deepEqual(refused.take('198.18.0.2'), [])
})

test('the same destination counts once, and there is an end to different ones', () => {
  const refused = new RefusedPackets()
  for (let port = 1; port <= 1000; port += 1) refused.add([packet({ port }), packet({ port: 1 })])
  const taken = refused.take('198.18.0.1')
  assert.equal(taken.length, 128)
  assert.equal(new Set(taken.map(({ port }) => port)).size, 128)
})
