// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeAgent } from '../_fake-agent.ts'
import { runCli } from '../_harness.ts'

test('audit rotate prints both keys, and from where the new one signs', async () => {
  const { stdout, stderr, exitCode, agent } = await runCli(['audit', 'rotate'])
  assert.match(stdout, /^old {3}\S+\+AAAA, destroyed\nnew {3}\S+\+BBBB\nchanged: from 10 entries on .* \(entry 9\)\n$/)
  assert.match(stderr, /notice: too few witnesses/)
  assert.deepEqual([exitCode, agent.calls.retention], [0, [['rotate', '/state']]])
  const json = JSON.parse((await runCli(['audit', 'rotate', '--json'])).stdout) as { size: number; wasUnfinished: boolean }
  assert.deepEqual([json.size, json.wasUnfinished], [10, false])
})

test('audit rotate --prepare changes nothing, and prints the line for witnesses', async () => {
  const { stdout, agent } = await runCli(['audit', 'rotate', '--prepare'])
  assert.match(stdout, /^key {3}\S+\+AAAA \(signs on\)\nnext {2}(\S+\+BBBB)\n.*\nlog \1\n$/)
  assert.deepEqual(agent.calls.retention, [['prepare', '/state']])
  const { next } = JSON.parse((await runCli(['audit', 'rotate', '--prepare', '--json'])).stdout) as { next: string }
  assert.match(next, /BBBB$/)
})

test('audit keys lists them, and ends with 1 when one does not lead to the next', async () => {
  const { stdout, exitCode } = await runCli(['audit', 'keys'])
  assert.match(stdout, /^from 0 +to 5, sealed +\S+\nfrom 5 +signs now +\S+AAAA\nnext +prepared +\S+BBBB/)
  assert.deepEqual([exitCode, stdout.includes('\x1b')], [0, false])
  const list = { origin: 'o', keys: [], next: null, problem: 'nothing leads to the one\x1b[2J' }
  const wrong = await runCli(['audit', 'keys', '/copy', '--key', 'k'], { agent: createFakeAgent({ keys: { list: async () => list } }) })
  assert.deepEqual([wrong.exitCode, wrong.stdout.includes('\x1b')], [1, false])
  assert.match(wrong.stdout, /not sound: nothing leads/)
  assert.deepEqual(wrong.agent.calls.retention, [['list', { stateDirectory: '/state', directory: '/copy', key: 'k' }]])
})

test('audit verify says where the key changed', async () => {
  const { stdout } = await runCli(['audit', 'verify'])
  assert.match(stdout, /^ {6}changed at entry 5, from .* to \S+AAAA: the old key vouches for it$/m)
  assert.equal(stdout.includes('\x1b'), false)
})
