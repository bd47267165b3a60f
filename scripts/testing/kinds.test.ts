// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exclusiveFiles } from './exclusive.ts'
import { defaultKinds, filesOf, testKinds } from './kinds.ts'

const root = join(import.meta.dirname, '../..')

test('every test file is of one kind', () => {
  const all = globSync(['{packages,scripts,test,native}/**/*.test.ts', 'test/soak/*.soak.ts'], {
    cwd: root,
    exclude: (path) => /(^|\/)node_modules$/.test(path),
  })
  const ofKinds = testKinds.flatMap((kind) => filesOf(kind, root))
  assert.deepEqual(ofKinds.toSorted(), all.toSorted())
})

test('what make test runs needs nothing that is built or downloaded for the tests of servers', () => {
  const files = testKinds.filter(({ name }) => defaultKinds.includes(name)).flatMap((kind) => filesOf(kind, root))
  assert.deepEqual(
    files.filter((file) => /gvisor|\.servers\.|^test\/servers\//.test(file)),
    [],
  )
})

test('files that run alone are there, and say why', () => {
  for (const [file, reason] of Object.entries(exclusiveFiles)) assert.ok(existsSync(join(root, file)) && reason.length > 20, file)
})
