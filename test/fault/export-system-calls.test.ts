// SPDX-License-Identifier: Apache-2.0
// A sample of the faults that test/soak/export-faults.soak.ts tries all of: every file operation of an export, its cursor and its file.
import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertExported, OUT, writeExportedLog } from './_export-faults.ts'
import { LogFaults, type Said } from './_log-faults.ts'
import { type Fate, LossyDisk, type Operation } from './_lost-writes.ts'

/** One in so many; odd against the number of effects, so that all of them come up. */
const STRIDE = 7

const faults = new LogFaults('_export-writer.ts', assertExported)
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

/** What an export of the first entries has left, or none. */
async function template(exported: number): Promise<string> {
  const directory = faults.directory()
  await writeExportedLog(directory, exported)
  return directory
}

for (const [exported, what] of [
  [0, 'a first export'],
  [300, 'an export that goes on'],
] as const)
  test(`no system call of ${what} that fails, and no kill there, loses a record or skips one`, async (t) => {
    const directory = await template(exported)
    const all = await faults.faults(directory)
    const sample = all.filter((_, index) => index % STRIDE === 0)
    assert.ok(all.length >= 100, `there are ${all.length}`)
    t.diagnostic(`${sample.length} of ${all.length} faults`)
    assert.deepEqual(await faults.tryAll(sample, { directory, said: [] }), [])
  })

/** What was there, and durable. */
const BEFORE: readonly Operation[] = [
  { type: 'mkdir', path: OUT },
  { type: 'sync', path: '' },
]

test('whatever a power failure takes of what was not synced, the cursor has passed nothing that the file has not', async (t) => {
  const log = await template(0)
  const operations = await faults.record(log)
  assert.ok(operations.length > 20)
  let count = 0
  for (let end = 0; end <= operations.length; end += 1) {
    for (const fate of ['lost', 'torn', 'kept'] satisfies Fate[]) {
      const [disk, said] = [new LossyDisk(), [] as Said[]]
      for (const operation of [...BEFORE, ...operations.slice(0, end)]) {
        disk.apply(operation)
        if (operation.type === 'said') said.push(JSON.parse(operation.line) as Said)
      }
      const directory = faults.directory()
      disk.restore(directory, () => fate)
      cpSync(join(log, 'log'), join(directory, 'log'), { recursive: true })
      await assertExported(directory, said).catch((error: unknown) => {
        throw new Error(`after ${end} operations, what was not synced ${fate}`, { cause: error })
      })
      rmSync(directory, { recursive: true })
      count += 1
    }
  }
  t.diagnostic(`${count} disks after a power failure`)
})
