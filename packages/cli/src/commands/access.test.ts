// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFakeAgent, DOCUMENT, REVIEW } from '../_fake-agent.ts'
import { makeTemporaryDirectory, runCli } from '../_harness.ts'

test('access learn prints the file, and says which run it covers', async () => {
  const { stdout, stderr, exitCode, agent } = await runCli(['access', 'learn', '--state', '/s'])
  assert.deepEqual([stdout, exitCode], ['version: 1\n', 0])
  assert.match(stderr, new RegExp(`what run ${DOCUMENT.id} did is covered by the file above`))
  const place = { stateDirectory: '/s', repository: '/', accessFile: null, operatorFile: null }
  assert.deepEqual(agent.calls.access, [['learn', place, []]])
})

test('access learn --write --trust writes sallyport.yml and approves what it wrote', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const { stderr, exitCode, agent } = await runCli(['access', 'learn', 'a', 'b', '--write', '--trust'], { directory })
  const path = join(directory, 'sallyport.yml')
  assert.equal(readFileSync(path, 'utf8'), 'version: 1\n')
  assert.match(stderr, /what run a, b did is covered by the file in sallyport\.yml\n.*asks for 2 things.*approved\n$/s)
  const place = { stateDirectory: '/state', repository: directory, accessFile: path, operatorFile: null }
  assert.deepEqual(agent.calls.access.slice(1), [
    ['review', place],
    ['approve', place, REVIEW.digest],
  ])
  assert.equal(exitCode, 0)
})

test('a file that exists is replaced only with --force, and a link is never followed', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const victim = join(directory, 'victim')
  writeFileSync(victim, 'precious')
  symlinkSync(victim, join(directory, 'sallyport.yml'))
  const refused = await runCli(['access', 'learn', '--write'], { directory })
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stderr, /error\[FILE_EXISTS\]/)
  const forced = await runCli(['access', 'learn', '--write', '--force'], { directory })
  assert.equal(forced.exitCode, 0)
  assert.equal(readFileSync(victim, 'utf8'), 'precious')
  assert.equal(readFileSync(join(directory, 'sallyport.yml'), 'utf8'), 'version: 1\n')
})

test('a dangling link in the place of sallyport.yml makes no file elsewhere', async (t) => {
  const directory = makeTemporaryDirectory(t)
  symlinkSync(join(directory, 'elsewhere'), join(directory, 'sallyport.yml'))
  assert.equal((await runCli(['access', 'learn', '--write'], { directory })).exitCode, 2)
  assert.throws(() => readFileSync(join(directory, 'elsewhere')), { code: 'ENOENT' })
})

for (const argv of [
  ['learn', '--trust'],
  ['learn', '--write', '-o', 'x'],
  ['explain', 'a.test'],
  ['explain', '--job', 'j', 'f', 'a.test', 'b.test'],
  ['replay'],
  ['lern'],
]) {
  test(`"access ${argv.join(' ')}" is bad usage`, async () => {
    const { exitCode, agent } = await runCli(['access', ...argv])
    assert.deepEqual([exitCode, agent.calls.access.length], [2, 0])
  })
}

test('access replay ends with 0 when the file suffices, and lists what no run needed', async () => {
  const { stdout, exitCode, agent } = await runCli(['access', 'replay', 'a.yml', 'r1'])
  assert.equal(exitCode, 0)
  assert.equal(stdout, 'sufficient: it allows all that run r1 did\nNot used by it\n  sallyport.yml:5  x.example.test:443\n')
  const place = { stateDirectory: '/state', repository: '/', accessFile: '/a.yml', operatorFile: null }
  assert.deepEqual(agent.calls.access, [['replay', place, ['r1']]])
})

test('access replay ends with 1 when the file does not suffice, and lists what is missing', async () => {
  const missing = [{ run: 'r1', job: 'build', step: '2', target: 'x.test:443\x1b[2J', reason: 'no rule names it', remedy: null }]
  const agent = createFakeAgent({
    access: { replay: async () => ({ sufficient: false, runs: ['r1'], missing, unused: [], notices: ['n'] }) },
  })
  const { stdout, exitCode } = await runCli(['access', 'replay', 'a.yml', 'r1'], { agent })
  assert.equal(exitCode, 1)
  assert.equal(stdout, 'not sufficient: it refuses some of what run r1 did\nMissing\n  build | 2  x.test:443  no rule names it\n')
})

test('access check lists what a valid file asks for', async () => {
  const { stdout, exitCode } = await runCli(['access', 'check', 'x.yml'])
  assert.equal(exitCode, 0)
  assert.match(stdout, /^sallyport\.yml asks for 2 things.*\nNo problems\n$/s)
  assert.equal(JSON.parse((await runCli(['access', 'check', '--json'])).stdout).valid, true)
})

test('access explain says which rule decides, of the file that is named', async () => {
  const { stdout, exitCode, agent } = await runCli([
    'access',
    'explain',
    'x.yml',
    '--job',
    'build',
    '--step',
    's',
    '--method',
    'GET',
    '--path',
    '/p',
    'a.test:8443',
  ])
  assert.deepEqual([stdout, exitCode], ['allowed\n  sallyport.yml:4 allows it\n', 0])
  const place = { stateDirectory: '/state', repository: '/', accessFile: '/x.yml', operatorFile: null }
  const question = { job: 'build', step: 's', target: 'a.test:8443', method: 'GET', path: '/p' }
  assert.deepEqual(agent.calls.access, [['explain', place, question]])
  const refused = createFakeAgent({ access: { explain: async () => ({ allowed: false, lines: ['no rule names it'] }) } })
  assert.equal((await runCli(['access', 'explain', '--job', 'b', 'a.test'], { agent: refused })).exitCode, 1)
})
