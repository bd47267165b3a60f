// SPDX-License-Identifier: Apache-2.0
// Every system call of every file operation of a spool and of the log that it ships into, with every error that it can end with, and a kill there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LogFaults } from '../fault/_log-faults.ts'
import { assertShipped } from '../fault/_shipping-faults.ts'

const faults = new LogFaults('_shipping-writer.ts', assertShipped)
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

test('no fault of shipping loses a record that was durable, stores one twice, or hides a gap', async (t) => {
  const all = await faults.faults()
  t.diagnostic(`${all.length} faults`)
  assert.deepEqual(await faults.tryAll(all), [])
})
