// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { GUARANTEES } from '@sallyport/sandbox'
import { WALLS } from '@sallyport/testkit'

const root = join(import.meta.dirname, '../..')

test('every guarantee of the sandbox is a wall that can be taken out', () => {
  const covered = Object.values(WALLS).flatMap(({ guarantees }) => guarantees)
  assert.deepEqual(
    GUARANTEES.filter((guarantee) => !covered.includes(guarantee)),
    [],
  )
})

test('docs/wall-matrix.md says what the tests test', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/wall-matrix.ts', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
