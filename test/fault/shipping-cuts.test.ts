// SPDX-License-Identifier: Apache-2.0
// A sample of the cuts that test/soak/shipping-cuts.soak.ts makes all of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Scratch } from '../../packages/log-shipping/src/_receiving.ts'
import { tryCuts } from './_shipping-cuts.ts'

test('a connection that is cut, wherever it is, neither loses a record nor has one stored twice', async (t) => {
  using scratch = new Scratch()
  const { bytes, cuts, records } = await tryCuts(scratch.path, 61)
  t.diagnostic(`${cuts} cuts in exchanges of ${bytes.up} and ${bytes.down} bytes, ${records} records`)
  assert.ok(cuts >= (bytes.up + bytes.down) / 100)
})
