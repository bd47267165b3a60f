// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

test('docs/masking.md says what is masked, and no accidental form leaks', () => {
  const root = join(import.meta.dirname, '../..')
  const { status, stderr } = spawnSync(process.execPath, ['scripts/masking-matrix.ts', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
