// SPDX-License-Identifier: Apache-2.0
// A connection that is cut at every byte of an exchange, from the first of its TLS on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Scratch } from '../../packages/log-shipping/src/_receiving.ts'
import { tryCuts } from '../fault/_shipping-cuts.ts'

test('no cut of a connection loses a record, or has one stored twice', async (t) => {
  using scratch = new Scratch()
  const { bytes, cuts, records } = await tryCuts(scratch.path, 1)
  t.diagnostic(`${cuts} cuts in exchanges of ${bytes.up} and ${bytes.down} bytes, ${records} records`)
  // The ends of a connection differ by some bytes from one to the next
  assert.ok(cuts >= (bytes.up + bytes.down) * 0.9)
})
