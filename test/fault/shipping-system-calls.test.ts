// SPDX-License-Identifier: Apache-2.0
// A sample of the faults that test/soak/shipping-faults.soak.ts tries all of: every file operation of a spool and of the log that it ships into.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { LogFaults, type Said } from './_log-faults.ts'
import { type Fate, LossyDisk } from './_lost-writes.ts'
import { assertShipped } from './_shipping-faults.ts'

/** One in so many; odd against the number of effects, so that all of them come up. */
const STRIDE = 23

const faults = new LogFaults('_shipping-writer.ts', assertShipped)
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

test('no system call that fails, and no kill there, loses a record that was durable, stores one twice, or hides a gap', async (t) => {
  const all = await faults.faults()
  const sample = all.filter((_, index) => index % STRIDE === 0)
  assert.ok(all.length >= 500, `there are ${all.length}`)
  t.diagnostic(`${sample.length} of ${all.length} faults`)
  assert.deepEqual(await faults.tryAll(sample), [])
})

test('nor does whatever a power failure takes of what was not synced', async (t) => {
  const operations = await faults.record()
  assert.ok(operations.length > 50)
  let count = 0
  for (let end = 0; end <= operations.length; end += 1) {
    for (const fate of ['lost', 'torn', 'kept'] satisfies Fate[]) {
      const [disk, said] = [new LossyDisk(), [] as Said[]]
      for (const operation of operations.slice(0, end)) {
        disk.apply(operation)
        if (operation.type === 'said') said.push(JSON.parse(operation.line) as Said)
      }
      const directory = faults.directory()
      disk.restore(directory, () => fate)
      await assertShipped(directory, said).catch((error: unknown) => {
        throw new Error(`after ${end} operations, what was not synced ${fate}`, { cause: error })
      })
      rmSync(directory, { recursive: true })
      count += 1
    }
  }
  t.diagnostic(`${count} disks after a power failure`)
})
