// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeAgent, RETENTION } from '../_fake-agent.ts'
import { runCli } from '../_harness.ts'

test('audit hold add places a hold on what is named, and says where the log has it', async () => {
  const argv = ['audit', 'hold', 'add', '--run', 'r1', '--class', 'output', '--since', '2026-11', '--reason', 'case 4711']
  const { stdout, stderr, exitCode, agent } = await runCli(argv)
  assert.deepEqual([stdout, exitCode], ['held: 3f9a2c41, the class output of r1 since 2026-11 (entry 9)\n', 0])
  assert.match(stderr, /notice: too few witnesses/)
  const selection = { run: 'r1', class: 'output', since: '2026-11', until: null, reason: 'case 4711' }
  assert.deepEqual(agent.calls.retention, [['hold', '/state', selection]])
})

test('audit hold ls and rm', async () => {
  const { stdout } = await runCli(['audit', 'hold', 'ls'])
  assert.match(stdout, /^3f9a2c41 {2}the class output since 2026-11 {2}case 4711/)
  assert.equal(stdout.includes('\x1b'), false)
  const { agent } = await runCli(['audit', 'hold', 'rm', '3f9a2c41', '--reason', 'closed', '--json'])
  assert.deepEqual(agent.calls.retention, [['release', '/state', '3f9a2c41', 'closed']])
})

test('audit retain shows what is due and erases it with --apply only', async () => {
  const shown = await runCli(['audit', 'retain'])
  assert.match(shown.stdout, /^caller +30 days\n[\s\S]*record +for ever\n[\s\S]*due: output of 2 runs/)
  assert.match(shown.stdout, /to archive: entries 0 to 511[\s\S]*that takes --apply/)
  const applied = await runCli(['audit', 'retain', '--apply'])
  assert.match(applied.stdout, /erased: output of 2 runs[\s\S]*in the log as entry 9/)
  assert.deepEqual(
    [...shown.agent.calls.retention, ...applied.agent.calls.retention],
    [
      ['retain', '/state', false],
      ['retain', '/state', true],
    ],
  )
  assert.deepEqual(JSON.parse((await runCli(['audit', 'retain', '--json'])).stdout), RETENTION)
})

test('audit erase destroys what is asked for', async () => {
  const { stdout, agent } = await runCli(['audit', 'erase', 'r1', '--class', 'output', '--class', 'caller', '--reason', 'request 12'])
  assert.equal(stdout, 'erased: output, caller of run r1 (entry 9)\n')
  assert.deepEqual(agent.calls.retention, [['erase', '/state', 'r1', { classes: ['output', 'caller'], reason: 'request 12' }]])
})

test('audit archive makes one, or checks one and ends with 1 when it is not sound', async () => {
  const made = await runCli(['audit', 'archive', '--before', '2026-11-22T20:15', '-o', 'old'])
  assert.equal(made.stdout, 'archived: entries 0 to 511, in /old (entry 9)\n')
  assert.deepEqual(made.agent.calls.retention, [['archive', '/state', { archive: '/old', before: '2026-11-22T20:15:00.000Z' }]])
  const checked = await runCli(['audit', 'archive', '--verify', 'old'])
  assert.match(checked.stdout, /^sound: entries 0 to 511 are those of the signed tree of 700, and the log here has grown from there/)
  const check = { archive: '/old', problem: 'it has no seal', range: null, size: null, inLog: null }
  const agent = createFakeAgent({ retention: { verifyArchive: async () => check } })
  const wrong = await runCli(['audit', 'archive', '--verify', 'old'], { agent })
  assert.deepEqual([wrong.exitCode, wrong.stdout], [1, 'not sound: it has no seal\n'])
  const nothing = createFakeAgent({ retention: { archive: async () => ({ made: null }) } })
  assert.match((await runCli(['audit', 'archive'], { agent: nothing })).stdout, /^nothing to archive/)
})

test('audit payload ends with 1 when something is not what the log commits to', async () => {
  const { stdout, exitCode } = await runCli(['audit', 'payload', 'r1'])
  assert.equal(exitCode, 1)
  assert.match(stdout, /^erased +caller +entry 0 +17 bytes\ndifferent +output +entry 7/)
  assert.equal(stdout.includes('\x1b'), false)
  const agent = createFakeAgent({
    retention: {
      payloads: async function* () {
        yield* []
      },
    },
  })
  assert.deepEqual((await runCli(['audit', 'payload', 'r1'], { agent })).exitCode, 0)
})

test('audit payload without a run prints what is not right, and counts the rest', async () => {
  const all = await runCli(['audit', 'payload'])
  assert.equal(all.exitCode, 1)
  assert.match(
    all.stdout,
    /^different {2}output {2}entry 7 {2}6 bytes {2}build\S* \| 1 {2}run\/r1\n0 kept, 1 erased, 1 different, 0 missing\n$/,
  )
  const lines = (await runCli(['audit', 'payload', '--json'])).stdout.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { state: string }).state),
    ['erased', 'different'],
  )
  const agent = createFakeAgent({
    retention: {
      payloads: async function* () {
        yield* []
      },
    },
  })
  const none = await runCli(['audit', 'payload'], { agent })
  assert.deepEqual([none.exitCode, none.stdout], [0, '0 kept, 0 erased, 0 different, 0 missing\n'])
})

for (const argv of [
  ['hold', 'add', '--reason', 'x'],
  ['hold', 'add', '--all', '--run', 'r1', '--reason', 'x'],
  ['hold', 'add', '--all'],
  ['hold', 'add', '--all', '--reason', ' '],
  ['hold', 'add', '--class', 'pizza', '--reason', 'x'],
  ['hold', 'add', '--since', 'yesterday', '--reason', 'x'],
  ['hold', 'rm', '1'],
  ['retain', '--apply', '--dry-run'],
  ['erase', 'r1'],
  ['erase', 'r1', '--class', 'entry', '--reason', 'x'],
  ['archive', '--before', '2026-13'],
  ['archive', '--before', 'soon'],
  ['archive', '--key', 'k'],
  ['archive', '--verify', 'a', '--before', '2026'],
  ['payload', 'r1', 'r2'],
]) {
  test(`"audit ${argv.join(' ')}" is bad usage`, async () => {
    const { exitCode, agent } = await runCli(['audit', ...argv])
    assert.deepEqual([exitCode, agent.calls.retention.length], [2, 0])
  })
}
