// SPDX-License-Identifier: Apache-2.0
// Every system call of every file operation of the log's writer and signer, with every error that it can end with, and a kill there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LogFaults } from '../fault/_log-faults.ts'

const faults = new LogFaults()
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

test('no fault of the storage loses an entry, spoils the tree or gives a size two roots', async (t) => {
  const all = await faults.faults()
  t.diagnostic(`${all.length} faults`)
  assert.deepEqual(await faults.tryAll(all), [])
})

test('nor does any while an earlier crash is repaired', async (t) => {
  const interrupted = await faults.interrupted()
  const all = await faults.faults(interrupted.directory)
  t.diagnostic(`${all.length} faults`)
  assert.deepEqual(await faults.tryAll(all, interrupted), [])
})
