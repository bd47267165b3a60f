// SPDX-License-Identifier: Apache-2.0
// Every system call of every file operation of a change of the embedded store, with an error that it can end with, and a kill there.
import { after, before, test } from 'node:test'
import { SecretsFaults } from '../fault/_secrets-faults.ts'
import { EFFECTS } from '../fault/_system-calls.ts'

const faults = new SecretsFaults()
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

for (const [call, effects] of Object.entries(EFFECTS))
  test(`no fault of an embedded store loses what it has said to be stored: ${call}`, async (t) => {
    t.diagnostic(`${await faults.tryCalls(call, effects, 1)} calls, each in two ways`)
  })
