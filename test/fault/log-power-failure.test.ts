// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { assertSound, LogFaults, type Said } from './_log-faults.ts'
import { type Fate, LossyDisk } from './_lost-writes.ts'

const faults = new LogFaults()
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

/** The same sequence each time: what fails once fails again. */
function* chances(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    yield state / 2 ** 31
  }
}

const FATES: readonly Fate[] = ['lost', 'torn', 'kept']

/** For everything that no fsync has covered: all lost, all torn, all there, or each for itself. */
function fateOf(kind: Fate | 'mixed', seed: number): () => Fate {
  const random = chances(seed)
  return () => (kind === 'mixed' ? (FATES[Math.floor((random.next().value ?? 0) * FATES.length)] ?? 'lost') : kind)
}

test('whatever a power failure takes of what was not synced, what was acknowledged is there and the tree is whole', async (t) => {
  const operations = await faults.record()
  assert.ok(operations.length > 100)
  let count = 0
  for (let end = 0; end <= operations.length; end += 1) {
    const disk = new LossyDisk()
    const said: Said[] = []
    for (const operation of operations.slice(0, end)) {
      disk.apply(operation)
      if (operation.type === 'said') said.push(JSON.parse(operation.line) as Said)
    }
    // One of them at each point, so that each comes up at every third or so of a file's operations
    for (const kind of [FATES[end % FATES.length] ?? 'lost', 'mixed'] as const) {
      const directory = faults.directory()
      disk.restore(directory, fateOf(kind, end))
      await assertSound(directory, said).catch((error: unknown) => {
        throw new Error(`after ${end} operations, what was not synced ${kind}`, { cause: error })
      })
      rmSync(directory, { recursive: true })
      count += 1
    }
  }
  t.diagnostic(`${count} disks after a power failure`)
})

test('the disk of this test loses what was not synced', async () => {
  const operations = (await faults.record()).filter(({ type }) => type !== 'sync')
  const disk = new LossyDisk()
  const said: Said[] = []
  for (const operation of operations) {
    disk.apply(operation)
    if (operation.type === 'said') said.push(JSON.parse(operation.line) as Said)
  }
  const directory = faults.directory()
  disk.restore(directory, () => 'lost')
  await assert.rejects(assertSound(directory, said))
})
