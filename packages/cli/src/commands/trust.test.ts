// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeAgent, REVIEW } from '../_fake-agent.ts'
import { runCli } from '../_harness.ts'

const PLACE = { stateDirectory: '/state', repository: '/', accessFile: null, operatorFile: null }

test('trust shows what is asked for, made harmless, and asks on a terminal', async () => {
  const { stdout, stderr, exitCode, agent } = await runCli(['trust'], { terminal: true, stdin: 'yes\n' })
  assert.equal(
    stdout,
    `sallyport.yml asks for 2 things that jobs do not get without it
  job build: registry.example.test:443 (tls)  sallyport.yml:4
  job build: git.example.test:22 (ssh)  sallyport.yml:5
`,
  )
  assert.equal(stderr, 'It was approved for something else. Allow this? [y/N] sallyport: approved\n')
  assert.deepEqual(agent.calls.access, [
    ['review', PLACE],
    ['approve', PLACE, REVIEW.digest],
  ])
  assert.equal(exitCode, 0)
})

test('what is asked for is shown to its end: a wide rule behind many narrow ones is not cut away', async () => {
  const ask = `job build: git.test:443 (tls, terminated); GET ${Array.from({ length: 500 }, (_, n) => `/acme/${n}/*`).join(', ')}, /**`
  const agent = createFakeAgent({ access: { review: async () => ({ ...REVIEW, asks: [ask], changes: [{ kind: 'added', ask }] }) } })
  for (const option of [[], ['--diff']]) {
    const { stdout } = await runCli(['trust', ...option], { agent, terminal: true, stdin: 'no\n' })
    assert.ok(stdout.includes(`${ask}\n`), stdout)
  }
})

for (const stdin of ['\n', 'no\n', 'yesterday\n', '']) {
  test(`the answer ${JSON.stringify(stdin)} approves nothing and ends with 3`, async () => {
    const { exitCode, stderr, agent } = await runCli(['trust'], { terminal: true, stdin })
    assert.equal(exitCode, 3)
    assert.match(stderr, /not approved/)
    assert.equal(agent.calls.access.length, 1)
  })
}

test('without a terminal nothing is asked: --yes approves, and without it the exit code is 2', async () => {
  const refused = await runCli(['trust'], { stdin: 'yes\n' })
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stdout, /registry\.example\.test/)
  assert.match(refused.stderr, /stdin is not a terminal\n {2}Review what is above, then: sallyport trust --yes/)
  assert.equal(refused.agent.calls.access.length, 1)
  const approved = await runCli(['trust', '--yes'])
  assert.equal(approved.exitCode, 0)
  assert.equal(approved.agent.calls.access.length, 2)
})

test('--diff shows what is new and what is gone', async () => {
  const { stdout } = await runCli(['trust', '--diff', '--yes'])
  assert.deepEqual(
    stdout
      .split('\n')
      .slice(1, 4)
      .map((line) => line.slice(0, 22)),
    ['  job build: registry.', '+ job build: git.examp', '- job build: old.examp'],
  )
})

test('--json asks nothing and says whether it is approved', async () => {
  const { stdout, exitCode, agent } = await runCli(['trust', '--json'], { terminal: true, stdin: 'yes\n' })
  assert.deepEqual([JSON.parse(stdout).state, exitCode, agent.calls.access.length], ['changed', 3, 1])
  const approved = await runCli(['trust', '--json', '--yes'])
  assert.deepEqual([JSON.parse(approved.stdout).state, approved.exitCode], ['trusted', 0])
})

for (const [state, said] of [
  ['nothing-asked', /nothing to approve/],
  ['ceiling', /operator's file decides/],
  ['trusted', /approved already/],
] as const) {
  test(`a file in state "${state}" is not asked about`, async () => {
    const agent = createFakeAgent({ access: { review: async () => ({ ...REVIEW, state }) } })
    const { exitCode, stderr } = await runCli(['trust'], { agent })
    assert.equal(exitCode, 0)
    assert.match(stderr, said)
    assert.equal(agent.calls.access.length, 1)
  })
}

test('--revoke takes approvals back, and goes with nothing else', async () => {
  const { stderr, agent } = await runCli(['trust', '--revoke'])
  assert.equal(stderr, 'sallyport: 2 approvals taken back\n')
  assert.deepEqual(agent.calls.access, [['revoke', PLACE]])
  assert.equal((await runCli(['trust', '--revoke', '--yes'])).exitCode, 2)
})
