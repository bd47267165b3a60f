// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import test from 'node:test'
import { JOB_NETWORK, relayAddress, stepSource } from './job-network.ts'

test('every step has a source of its own, apart from both ends of the link', () => {
  const sources = new Set<string>([JOB_NETWORK.gateAddress, JOB_NETWORK.jobAddress])
  for (let number = 1; number <= 65_279; number++) sources.add(stepSource(number))
  assert.equal(sources.size, 65_279 + 2)
  assert.equal(stepSource(1), '198.18.1.1')
  assert.equal(stepSource(65_279), '198.18.255.255')
})

test('a number without an address is a mistake of ours', () => {
  for (const number of [0, -1, 1.5, 65_280, Number.NaN]) assert.throws(() => stepSource(number), TypeError)
  for (const index of [-1, 8, 0.5]) assert.throws(() => relayAddress(index), TypeError)
  assert.equal(relayAddress(0), '198.19.255.1')
})
