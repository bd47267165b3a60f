// SPDX-License-Identifier: Apache-2.0
// Property tests with cases that `make test` does not draw. SOAK_COUNT sets how many times; a failure names its seed, and
// `SALLYPORT_TEST_SEED=… scripts/with-node.sh scripts/test.ts FILE` repeats it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROUNDS = Number(process.env['SOAK_COUNT'] ?? 20)
const ROOT = join(import.meta.dirname, '../..')

const files = globSync('{packages/*/src,test,native}/**/*.test.ts', { cwd: ROOT })
  .filter((file) => readFileSync(join(ROOT, file), 'utf8').includes("from 'fast-check'"))
  .toSorted()
assert.ok(files.length > 30, 'where are they?')

for (let round = 0; round < ROUNDS; round += 1) {
  const seed = randomInt(2 ** 31)
  test(`property tests with seed ${seed}`, () => {
    const env = { ...process.env, SALLYPORT_TEST_SEED: String(seed) }
    const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'scripts/test.ts'), ...files], { cwd: ROOT, env, encoding: 'utf8' })
    const failures = stdout.replace(/^(?:ok|skipped:) .*\n/gm, '')
    assert.equal(status, 0, failures)
  })
}
