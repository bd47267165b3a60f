// SPDX-License-Identifier: Apache-2.0
// Walls that are taken out of sources are still there to be taken out: the escape suite would say so minutes later.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { GVISOR_WALLS } from './gvisor-walls.ts'
import { WALLS } from './walls.ts'

const sources = join(import.meta.dirname, '../../../../native/src')

test('what each wall takes out of the helper stands there once', () => {
  const patches = [...Object.values(WALLS), ...Object.values(GVISOR_WALLS)].flatMap(({ helper }) => helper ?? [])
  assert.ok(patches.length > 20)
  const counts = patches.map(({ file, find }) => [file, find, readFileSync(join(sources, file), 'utf8').split(find).length - 1])
  assert.deepEqual(
    counts.filter(([, , count]) => count !== 1),
    [],
  )
})
