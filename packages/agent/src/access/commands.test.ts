// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRunStore } from '@sallyport/store'
import { showEntries } from '../audit/show.ts'
import { makeDirectory } from './_temporary-directory.ts'
import { accessCommands } from './commands.ts'
import type { AccessPlace } from './contract.ts'

const ACCESS = 'version: 1\njobs:\n  build:\n    egress: [a.test, b.test]\n'

function makePlace(t: TestContext, files: Readonly<Record<string, string>> = {}): AccessPlace {
  return { stateDirectory: makeDirectory(t), repository: makeDirectory(t, files), accessFile: null, operatorFile: null }
}

test('a review follows a file from unknown to trusted, changed, and back', async (t) => {
  const place = makePlace(t, { 'sallyport.yml': ACCESS })
  const first = await accessCommands.review(place)
  assert.deepEqual([first.state, first.file], ['untrusted', 'sallyport.yml'])
  assert.deepEqual(first.asks, ['job build: a.test:443 (tls)  (sallyport.yml:4)', 'job build: b.test:443 (tls)  (sallyport.yml:4)'])
  await accessCommands.approve(place, first.digest)
  assert.equal((await accessCommands.review(place)).state, 'trusted')
  writeFileSync(join(place.repository, 'sallyport.yml'), `# moved\n${ACCESS.replace('b.test', 'c.test')}`)
  const changed = await accessCommands.review(place)
  assert.equal(changed.state, 'changed')
  assert.deepEqual(changed.changes, [
    { kind: 'kept', ask: 'job build: a.test:443 (tls)' },
    { kind: 'added', ask: 'job build: c.test:443 (tls)' },
    { kind: 'removed', ask: 'job build: b.test:443 (tls)' },
  ])
  writeFileSync(join(place.repository, 'sallyport.yml'), ACCESS)
  assert.equal((await accessCommands.review(place)).state, 'trusted', 'what was approved once stays approved')
  assert.equal(await accessCommands.revoke(place), 1)
  assert.equal((await accessCommands.review(place)).state, 'untrusted')
})

test('what is approved, or taken back, is in the log before it counts', async (t) => {
  const place = makePlace(t, { 'sallyport.yml': ACCESS })
  const { digest, asks } = await accessCommands.review(place)
  assert.equal(await accessCommands.revoke(place), 0)
  await accessCommands.approve(place, digest)
  await accessCommands.revoke(place)
  const filter = { run: null, job: null, type: 'trust.*', since: null, until: null, secret: null, host: null, actor: null }
  const shown = await Array.fromAsync(showEntries({ stateDirectory: place.stateDirectory, directory: null, key: null }, filter))
  assert.deepEqual(
    shown.map(({ entry }) => [entry.type, entry.data]),
    [
      ['trust.approved', { repository: place.repository, file: 'sallyport.yml', digest, asks }],
      ['trust.revoked', { repository: place.repository, digests: [digest] }],
    ],
  )
})

test('without a log nothing is approved, and nothing taken back', async (t) => {
  const place = makePlace(t, { 'sallyport.yml': ACCESS })
  const { digest } = await accessCommands.review(place)
  const log = join(place.stateDirectory, 'audit')
  writeFileSync(log, '')
  await assert.rejects(accessCommands.approve(place, digest), { code: 'AUDIT_LOG_UNWRITABLE' })
  assert.equal((await accessCommands.review(place)).state, 'untrusted')
  rmSync(log)
  await accessCommands.approve(place, digest)
  rmSync(log, { recursive: true })
  writeFileSync(log, '')
  await assert.rejects(accessCommands.revoke(place), { code: 'AUDIT_LOG_UNWRITABLE' })
  assert.equal((await accessCommands.review(place)).state, 'trusted')
})

test('only what was reviewed is approved', async (t) => {
  const place = makePlace(t, { 'sallyport.yml': ACCESS })
  const { digest } = await accessCommands.review(place)
  writeFileSync(join(place.repository, 'sallyport.yml'), ACCESS.replace('b.test', 'evil.test'))
  await assert.rejects(accessCommands.approve(place, digest), { code: 'ACCESS_CHANGED' })
  assert.equal((await accessCommands.review(place)).state, 'untrusted')
})

test('a job or step that no workflow has is told, with the nearest that there is', async (t) => {
  const workflow = 'on: push\njobs:\n  build:\n    runs-on: linux\n    steps: [{ id: publish, run: "true" }]\n'
  const files = {
    'sallyport.yml':
      'version: 1\njobs:\n  biuld: { egress: [a.test] }\n  build:\n    steps:\n      publsh: { egress: [a.test] }\n      publish: { egress: [a.test] }\n',
    '.github/workflows/ci.yml': workflow,
  }
  assert.deepEqual((await accessCommands.review(makePlace(t, files))).notices, [
    'sallyport.yml:3:3: no workflow has a job "biuld" (did you mean "build"?): its rules open nothing',
    'sallyport.yml:6:7: no step of job "build" has the id "publsh" (did you mean "publish"?): its rules open nothing',
  ])
  // The job may be in the one that nobody can read.
  const more = { ...files, '.github/workflows/broken.yml': 'jobs: 1\n' }
  assert.deepEqual((await accessCommands.review(makePlace(t, more))).notices, [])
})

test('there is nothing to review without a file', async (t) => {
  await assert.rejects(accessCommands.review(makePlace(t)), { code: 'ACCESS_FILE_UNREADABLE' })
})

test("an operator's file decides instead of the person", async (t) => {
  const operatorFile = join(makeDirectory(t, { 'config.yml': 'version: 1\negress: { allow: [a.test] }\n' }), 'config.yml')
  const place = { ...makePlace(t, { 'sallyport.yml': ACCESS }), operatorFile }
  assert.equal((await accessCommands.review(place)).state, 'ceiling')
  const explanation = await accessCommands.explain(place, { job: 'build', step: null, target: 'b.test', method: null, path: null })
  assert.equal(explanation.allowed, false)
  assert.match(explanation.lines.join('\n'), /operator/)
})

test('an explanation names the rule, and that nobody has approved it yet', async (t) => {
  const place = makePlace(t, { 'sallyport.yml': ACCESS })
  const ask = { step: null, method: null, path: null }
  const allowed = await accessCommands.explain(place, { ...ask, job: 'build', target: 'a.test' })
  assert.equal(allowed.allowed, true)
  assert.match(allowed.lines.join('\n'), /sallyport\.yml:4 allows it.*Nobody has approved "sallyport\.yml"/s)
  const refused = await accessCommands.explain(place, { ...ask, job: 'test', target: 'a.test:443' })
  assert.equal(refused.allowed, false)
  assert.match(refused.lines.join('\n'), /jobs\.test\.egress.*no rules of its own for job test/s)
  for (const target of ['', '*.a.test', 'a.test:1-2', 'https://a.test', '10.0.0.0/8', 'a.test:x'])
    await assert.rejects(accessCommands.explain(place, { ...ask, job: 'build', target }), { code: 'EGRESS_INVALID' }, target)
})

test('an explanation of a request looks at method and path', async (t) => {
  const text = 'version: 1\njobs: { build: { egress: [{ host: a.test, methods: [GET], path: /acme/** }] } }\n'
  const place = makePlace(t, { 'sallyport.yml': text })
  const explain = async (method: string | null, path: string | null): Promise<boolean> =>
    (await accessCommands.explain(place, { job: 'build', step: null, target: 'a.test', method, path })).allowed
  assert.deepEqual(
    [await explain(null, '/acme/x'), await explain('get', '/acme/x'), await explain('POST', '/acme/x'), await explain(null, '/x')],
    [true, true, false, false],
  )
  await assert.rejects(explain(null, '/acme/../x'), { code: 'EGRESS_INVALID' })
})

const DOOR = { port: 443, protocol: 'tls', rule: null, connections: 1, bytesOut: 10, bytesIn: 20, requests: [], requestsMore: 0 }

interface RecordedRun {
  readonly id: string
  readonly repository: string
  readonly directory?: string
  readonly observed?: boolean
  readonly hosts: readonly string[]
}

/** With one job, `build`, whose second step used these doors. */
async function record(
  place: AccessPlace,
  { id, repository, directory = place.repository, observed = true, hosts }: RecordedRun,
): Promise<void> {
  await using run = await createRunStore(place.stateDirectory).create(id)
  await run.append({ type: 'run.started', data: { repository, directory } })
  const used = hosts.map((host) => ({ ...DOOR, host, job: 'build (20)', step: '2' }))
  const refused = observed
    ? []
    : [{ job: 'build (20)', step: '2', code: 'no-rule', target: 'x.test:443', reason: 'r', rule: null, remedy: null, count: 1 }]
  await run.finish({
    id,
    conclusion: 'success',
    startedAt: `2026-11-22T20:15:0${id.slice(-1)}.000Z`,
    workflows: ['ci.yml'],
    jobs: [{ id: 'build', key: 'build (20)', steps: [{ id: '1' }, { id: '2' }] }],
    doors: { observed, used, refused },
  })
}

const WORKFLOW =
  'on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: "true"\n      - id: install\n        run: npm ci\n'

test('what the latest run of this repository did is learned, for the step that did it, and the file suffices', async (t) => {
  const place = makePlace(t, { 'ci.yml': WORKFLOW })
  const here = `local/${basename(place.repository)}`
  await record(place, { id: 'r1', repository: here, hosts: ['old.test'] })
  await record(place, { id: 'r2', repository: here, hosts: ['a.test', 'b.test'] })
  await record(place, { id: 'r3', repository: 'acme/other', hosts: ['other.test'] })
  const learned = await accessCommands.learn(place, [])
  assert.deepEqual(learned.runs, ['r2'])
  assert.match(learned.text, /build:\n\s+steps:\n\s+install:/)
  assert.match(learned.text, /a\.test/)
  assert.doesNotMatch(learned.text, /old\.test|other\.test/)
  writeFileSync(join(place.repository, 'sallyport.yml'), learned.text)
  const replayed = await accessCommands.replay(place, [])
  assert.deepEqual([replayed.sufficient, replayed.missing, replayed.unused, replayed.runs], [true, [], [], ['r2']])
  const older = await accessCommands.replay(place, ['r1'])
  assert.deepEqual([older.sufficient, older.missing.map(({ target }) => target), older.unused.length], [false, ['old.test:443'], 2])
})

test('a directory of the same name is another repository, where neither has a remote', async (t) => {
  const place = makePlace(t)
  const here = `local/${basename(place.repository)}`
  await record(place, { id: 'r1', repository: here, hosts: ['a.test'] })
  await record(place, { id: 'r2', repository: here, directory: `/elsewhere/${basename(place.repository)}`, hosts: ['evil.test'] })
  assert.deepEqual((await accessCommands.learn(place, [])).runs, ['r1'])
  assert.match((await accessCommands.learn(place, ['r2'])).notices.join(), /r2 was of another repository, "\/elsewhere\//)
})

test('a run that used no door is covered by a file that names it and allows nothing', async (t) => {
  const place = makePlace(t)
  await record(place, { id: 'r1', repository: `local/${basename(place.repository)}`, hosts: [] })
  const { text } = await accessCommands.learn(place, [])
  assert.match(text, /^# What ci\.yml did in run r1/)
  assert.doesNotMatch(text, /^jobs:/m)
})

test('many runs are learned from together, and a foreign or an enforcing one is told', async (t) => {
  const place = makePlace(t)
  await record(place, { id: 'r1', repository: 'acme/other', hosts: ['a.test'] })
  await record(place, { id: 'r2', repository: `local/${basename(place.repository)}`, observed: false, hosts: ['b.test'] })
  const { text, runs, notices } = await accessCommands.learn(place, ['r1', 'r2', 'r1'])
  assert.deepEqual(runs, ['r1', 'r2'])
  assert.match(text, /a\.test.*b\.test/s)
  assert.match(notices.join('\n'), /r1 was of another repository, "acme\/other"\nrun r2 did not observe/)
})

test('there is nothing to learn from runs that did not end, from single commands, and without runs', async (t) => {
  const place = makePlace(t)
  await assert.rejects(accessCommands.learn(place, []), { code: 'NOTHING_RECORDED' })
  const store = createRunStore(place.stateDirectory)
  await (await store.create('r1'))[Symbol.asyncDispose]()
  await assert.rejects(accessCommands.learn(place, ['r1']), { code: 'NOTHING_RECORDED' })
  await using exec = await store.create('r2')
  await exec.finish({ id: 'r2', exitCode: 0 })
  await assert.rejects(accessCommands.learn(place, ['r2']), { code: 'NOTHING_RECORDED', message: /one command/ })
  await assert.rejects(accessCommands.learn(place, ['nope']), { code: 'RUN_NOT_FOUND' })
})
