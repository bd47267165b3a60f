// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { Control } from './control.ts'

test('no more questions wait for the supervisor than it takes, also when it is slow', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const [ours, theirs] = duplexPair()
  const control = new Control(ours)
  control.serve(
    {
      configure: () => Promise.reject(new TypeError('nobody asks')),
      openStep: () => undefined,
      substitute: () => false,
      closeStep: () => ({ type: 'failed', message: '' }),
    },
    (error) => assert.fail(String(error)),
  )
  const answers = Array.from({ length: 256 }, () => control.whose('build/1', 4000))
  assert.equal(await control.whose('build/1', 4001), null)
  context.mock.timers.tick(3000)
  assert.deepEqual([...new Set(await Promise.all(answers))], [null], 'nobody waits longer')
  assert.equal(await control.whose('build/1', 4002), null)

  theirs.write('{"type":"executable","id":1,"path":"/usr/bin/late"}\n')
  await new Promise((resolve) => setImmediate(resolve))
  const last = control.whose('build/1', 4003)
  theirs.write('{"type":"executable","id":257,"path":"/usr/bin/git"}\n')
  assert.equal(await last, '/usr/bin/git')
  ours.end()
  const said = (await theirs.toArray()).map(String).join('').trim().split('\n')
  assert.equal(said.length, 257)
})
