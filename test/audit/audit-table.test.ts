// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

test('docs/audit.md says which manipulations are found', () => {
  const root = join(import.meta.dirname, '../..')
  const { status, stderr } = spawnSync(process.execPath, ['scripts/audit-table.ts', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
