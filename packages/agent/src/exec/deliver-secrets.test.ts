// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliverSecrets } from './deliver-secrets.ts'

test('a value is in the environment, or in a file of which the environment holds the path', () => {
  const secrets = { A: 'in the environment', B: 'in a file', C: 'behind a descriptor', D: 'behind another' }
  const { env, files } = deliverSecrets({ secrets, deliver: { B: 'file', C: 'fd', D: 'fd' } })
  assert.deepEqual(Object.keys(env), ['A', 'B', 'C', 'D'])
  assert.equal(env['A'], secrets.A)
  assert.match(env['B'] ?? '', /\/secret-B$/)
  assert.match(env['C'] ?? '', /^\/dev\/fd\/\d+$/)
  assert.notEqual(env['C'], env['D'])
  assert.deepEqual(
    files.map(({ name, content, mode, descriptor }) => [
      name,
      String(content),
      mode,
      descriptor === undefined ? null : `/dev/fd/${descriptor}`,
    ]),
    [
      ['secret-B', secrets.B, 0o400, null],
      ['secret-C', secrets.C, 0o400, env['C']],
      ['secret-D', secrets.D, 0o400, env['D']],
    ],
  )
})

test('a name of an object’s own properties is a name', () => {
  assert.deepEqual(deliverSecrets({ secrets: { CONSTRUCTOR: 'x' }, deliver: {} }).env, { CONSTRUCTOR: 'x' })
})
