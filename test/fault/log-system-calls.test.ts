// SPDX-License-Identifier: Apache-2.0
// A sample of the faults that test/soak/log-faults.soak.ts tries all of: every file operation of append, publish, signature, rotation and recovery.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertSound, LogFaults } from './_log-faults.ts'

/** One in so many; odd against the number of effects, so that all of them come up. */
const STRIDE = 41

/** Each in the middle of another file of the writer: a write that crosses it is short, and the next one fails. */
const FILE_SIZES = [1, 60, 100, 118, 300, 500, 1000, 1500, 2600, 4096, 8191, 10_000, 21_000, 25_000]

const faults = new LogFaults()
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

test('no system call that fails, and no kill there, loses an entry, spoils the tree or gives a size two roots', async (t) => {
  const all = await faults.faults()
  assert.ok(all.length >= 300, `there are ${all.length}`)
  const sample = all.filter((_, index) => index % STRIDE === 0)
  t.diagnostic(`${sample.length} of ${all.length} faults`)
  assert.deepEqual(await faults.tryAll(sample), [])
})

test('nor does one while an earlier crash is repaired', async (t) => {
  const interrupted = await faults.interrupted()
  const all = await faults.faults(interrupted.directory)
  assert.ok(all.length >= 300, `there are ${all.length}`)
  const sample = all.filter((_, index) => index % STRIDE === 0)
  t.diagnostic(`${sample.length} of ${all.length} faults`)
  assert.deepEqual(await faults.tryAll(sample, interrupted), [])
})

test('nor do writes that are short because a file may not grow any more', async () => {
  for (const bytes of FILE_SIZES) {
    const directory = faults.directory()
    const said = await faults.run(directory, 'a', ['-o', '/dev/null'], ['prlimit', `--fsize=${bytes}`])
    assert.equal(said.at(-1)?.type, bytes < 25_000 ? 'failed' : 'done', `${bytes}: ${JSON.stringify(said.at(-1))}`)
    await assertSound(directory, said)
  }
})

test('several processes at once take turns or are refused, and what each of them was told holds', async () => {
  const directory = faults.directory()
  const generations = ['a', 'b', 'c', 'd']
  const all = await Promise.all(generations.map((generation) => faults.run(directory, generation, ['-o', '/dev/null'])))
  for (const said of all) {
    const last = said.at(-1)
    assert.ok(last?.type === 'done' || (last?.type === 'failed' && /^(SIGNER|LOG)_LOCKED$/.test(last.code)), JSON.stringify(last))
  }
  const appended = all.flat().filter(({ type }) => type === 'appended')
  assert.ok(appended.length >= 3)
  await assertSound(directory, all.flat())
})
