// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PublishedLog } from '@sallyport/agent'
import { StoreError } from '@sallyport/store'
import { WitnessError } from '@sallyport/witness'
import { AUDIT_KEY, AUDIT_REPORT, createFakeAgent } from '../_fake-agent.ts'
import { runCli } from '../_harness.ts'
import { RunningCommand } from './_audit.ts'
import { registerAuditPublish } from './audit-publish.ts'

const LOG: PublishedLog = { origin: AUDIT_REPORT.origin, size: 1, key: AUDIT_KEY, witnesses: null }

function missed(): never {
  throw new WitnessError('WITNESS_QUORUM_MISSED', 'Cannot publish the checkpoint: w1: gone\x1b[2J', { hint: 'Look at w1' })
}

test('publishes once, and says who has cosigned', async () => {
  const { stdout, exitCode, agent } = await runCli(['audit', 'publish'])
  assert.match(stdout, /^published 9 entries of \S+, cosigned by w1, w2[^\x1b]*\n$/)
  assert.deepEqual([exitCode, agent.calls.audit], [0, [['publish', '/state']]])
  const alone = createFakeAgent({ audit: { publish: async () => LOG } })
  assert.match((await runCli(['audit', 'publish'], { agent: alone })).stdout, /^published 1 entry of \S+, without witnesses\n$/)
  assert.deepEqual(JSON.parse((await runCli(['audit', 'publish', '--json'], { agent: alone })).stdout), LOG)
})

test('a quorum that is missed is exit code 5, and the message says who is missing', async () => {
  const { stdout, stderr, exitCode } = await runCli(['audit', 'publish'], {
    agent: createFakeAgent({ audit: { publish: async () => missed() } }),
  })
  assert.deepEqual([stdout, exitCode], ['', 5])
  assert.match(stderr, /^sallyport: error\[WITNESS_QUORUM_MISSED\]: .*w1: gone[^\x1b]*\n {2}Look at w1\n$/)
})

test('with --every it goes on through failures, says what changes, and ends with how the last one went', async () => {
  // At each interval: published, twice the same failure, published, another failure
  const outcomes = [
    async () => LOG,
    async () => missed(),
    async () => missed(),
    async () => LOG,
    async () => {
      throw new StoreError('LOG_LOCKED', 'Cannot publish the log')
    },
  ]
  let calls = 0
  const audit = { publish: async () => (outcomes[Math.min(calls++, outcomes.length - 1)] ?? assert.fail())() }
  const command = new RunningCommand(registerAuditPublish, ['publish', '--every', '1s'], '/', createFakeAgent({ audit }))
  await command.until(() => command.stderr.includes('LOG_LOCKED'), 'the last failure')
  await command.signal('SIGINT')
  assert.equal(command.exitCode, 6)
  assert.match(command.stdout, /^published 1 entry .*\n$/)
  assert.match(
    command.stderr,
    /^(sallyport: error\[WITNESS.*\n)(sallyport: the log is published again\n)(sallyport: error\[LOG_LOCKED\].*\n)$/,
  )
})

test('an interval that is none, or a wrong one, is bad usage', async () => {
  for (const every of ['0s', '10', 'often', '200h', '-1m']) {
    const { exitCode, stderr } = await runCli(['audit', 'publish', '--every', every])
    assert.equal(exitCode, 2)
    assert.match(stderr, /--every: .* is not a duration from 1s to 168h/)
  }
})
