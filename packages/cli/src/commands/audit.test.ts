// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AuditReport } from '@sallyport/agent'
import { AUDIT_REPORT, createFakeAgent, DOCUMENT } from '../_fake-agent.ts'
import { makeTemporaryDirectory, runCli } from '../_harness.ts'

const PLAIN = { remember: null, policy: null, freshnessS: null, archives: null }
const PLACE = { stateDirectory: '/state', directory: null, key: null }

test('audit verify names the first wrong entry and what fits, and ends with 1', async () => {
  const { stdout, exitCode, agent } = await runCli(['audit', 'verify'])
  assert.equal(exitCode, 1)
  assert.match(stdout, /^not sound: entry-edited, the first wrong entry is 4\n {2}✗ entry-wrong: entry 4 /)
  assert.match(stdout, new RegExp(`open {2}run ${DOCUMENT.id} was cut off`))
  assert.deepEqual(agent.calls.audit, [['verify', PLACE, PLAIN]])
})

test('audit verify of a sound log ends with 0; --json is the report', async () => {
  const sound = { ...AUDIT_REPORT, sound: true, findings: [], manipulation: null, firstWrong: null }
  const agent = createFakeAgent({ audit: { verify: async () => sound } })
  const { stdout, exitCode } = await runCli(['audit', 'verify', 'copy', '--key', 'k', '--remember', 'head', '--json'], { agent })
  assert.deepEqual([exitCode, JSON.parse(stdout)], [0, sound])
  assert.deepEqual(agent.calls.audit, [['verify', { ...PLACE, directory: '/copy', key: 'k' }, { ...PLAIN, remember: '/head' }]])
})

test('audit verify says who has seen the log, what has no checkpoint, and what it has published', async () => {
  const report: AuditReport = {
    ...AUDIT_REPORT,
    sound: true,
    findings: [],
    manipulation: null,
    firstWrong: null,
    policy: { path: '/p', quorum: 'both', freshnessS: 7200 },
    witnesses: [{ name: 'w1', at: '2026-11-29T14:02:00.000Z' }],
    publishedNow: 3,
    unpublished: 2,
  }
  const agent = createFakeAgent({ audit: { verify: async () => report } })
  const { stdout, exitCode } = await runCli(['audit', 'verify', '--policy', 'p', '--fresh', '2h', '--archives', 'a'], { agent })
  assert.equal(exitCode, 0)
  assert.match(stdout, /^seen {2}by w1 at 2026-11-29T14:02:00\.000Z \(quorum both of \/p, within 2h 00m\)$/m)
  assert.match(stdout, /^new {3}3 of them had no checkpoint/m)
  assert.match(stdout, /^rest {2}2 more entries are durable/m)
  assert.deepEqual(agent.calls.audit, [['verify', PLACE, { remember: null, policy: '/p', freshnessS: 7200, archives: '/a' }]])
  assert.match((await runCli(['audit', 'verify'])).stdout, /^seen {2}by nobody else: /m)
})

test('audit prove writes the proof, prints the key, and replaces nothing unasked', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const args = ['audit', 'prove', 'r1', '-o', 'p.tlog-proof', '--entry', '4']
  const { stdout, exitCode, agent } = await runCli(args, { directory })
  assert.deepEqual([stdout, exitCode], [`entry 4 of 9: step.started of run r1\nkey   ${AUDIT_REPORT.key}\n`, 0])
  assert.equal(readFileSync(join(directory, 'p.tlog-proof'), 'utf8'), 'c2sp.org/tlog-proof@v1\n')
  assert.deepEqual(agent.calls.audit, [['prove', PLACE, 'r1', 4]])
  const again = await runCli(args, { directory })
  assert.equal(again.exitCode, 2)
  assert.match(again.stderr, /error\[FILE_EXISTS\]/)
  assert.equal((await runCli([...args, '--force'], { directory })).exitCode, 0)
})

test('audit show prints a line for each entry, without the control characters that a job chose', async () => {
  const { stdout, agent } = await runCli(['audit', 'show', '--secret', 'TOKEN', '--since', '2026-11', '--actor', 'alice'])
  assert.match(stdout, /^4 {2}2026-11-22T20:15:02\.000Z {2}run\/.* step\.started {2}build \| 1 .*"TOKEN"/)
  assert.equal(stdout.includes('\x1b'), false)
  const filter = { run: null, job: null, type: null, since: '2026-11', until: null, secret: 'TOKEN', host: null, actor: 'alice' }
  assert.deepEqual(agent.calls.audit, [['show', PLACE, filter]])
  assert.equal(JSON.parse((await runCli(['audit', 'show', '--json'])).stdout).index, 4)
})

for (const argv of [
  ['prove', 'r1'],
  ['prove', '-o', 'x'],
  ['prove', 'r1', '-o', 'x', '--entry', 'last'],
  ['show', '--since', 'yesterday'],
  ['verify', 'a', 'b'],
  ['verify', '--fresh', 'soon'],
  ['verify', '--fresh', '5ms'],
  ['verfy'],
]) {
  test(`"audit ${argv.join(' ')}" is bad usage`, async () => {
    const { exitCode, agent } = await runCli(['audit', ...argv])
    assert.deepEqual([exitCode, agent.calls.audit.length], [2, 0])
  })
}
