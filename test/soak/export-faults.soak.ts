// SPDX-License-Identifier: Apache-2.0
// Every system call of every file operation of an export, with every error that it can end with, and a kill there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertExported, writeExportedLog } from '../fault/_export-faults.ts'
import { LogFaults } from '../fault/_log-faults.ts'

const faults = new LogFaults('_export-writer.ts', assertExported)
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

for (const exported of [0, 300])
  test(`no fault of an export that begins after ${exported} entries loses a record or skips one`, async (t) => {
    const directory = faults.directory()
    await writeExportedLog(directory, exported)
    const all = await faults.faults(directory)
    t.diagnostic(`${all.length} faults`)
    assert.deepEqual(await faults.tryAll(all, { directory, said: [] }), [])
  })
