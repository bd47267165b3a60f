// SPDX-License-Identifier: Apache-2.0
// Who may open a door, at the command line: a person, by name; never whoever wrote the branch.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { commit, git, World, writeFiles } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const WORKFLOW = 'on: [push, pull_request]\njobs: { build: { runs-on: linux, steps: [{ id: work, run: "true" }] } }\n'
const asking = (host: string): string => `version: 1\njobs: { build: { egress: [${host}] } }\n`

test('a run waits for a person: not trusted ends with 3, trust without a terminal asks nobody, a changed file is asked for anew', async () => {
  const cwd = world.workflow(WORKFLOW, { 'sallyport.yml': asking('a.test') })
  const refused = await world.run(['run'], { cwd })
  assert.equal(refused.exitCode, 3)
  assert.match(refused.stderr, /error\[NOT_TRUSTED\][\s\S]*job build: a\.test:443 \(tls\) {2}\(sallyport\.yml:2\)[\s\S]*sallyport trust/)
  assert.equal((await world.run(['trust'], { cwd })).exitCode, 2)
  assert.equal((await world.run(['run'], { cwd })).exitCode, 3)
  assert.equal((await world.run(['trust', '--yes'], { cwd })).exitCode, 0)
  assert.equal((await world.runJson(cwd)).exitCode, 0)
  writeFileSync(join(cwd, 'sallyport.yml'), asking('b.test'))
  assert.equal((await world.run(['run'], { cwd })).exitCode, 3)
  const diff = await world.run(['trust', '--diff', '--yes'], { cwd })
  assert.match(diff.stdout, /^\+ job build: b\.test:443 \(tls\)\n- job build: a\.test:443 \(tls\)$/m)
  assert.equal((await world.run(['trust', '--revoke'], { cwd })).exitCode, 0)
  assert.equal((await world.run(['run'], { cwd })).exitCode, 3)
  // Who approved what, and what was refused, is in the log; and of what ran, by which files that was decided.
  const entries = await logged(cwd)
  assert.deepEqual(
    entries.map(({ type }) => type),
    ['run.refused', 'run.refused', 'trust.approved', 'run.started', 'run.refused', 'trust.approved', 'trust.revoked', 'run.refused'],
  )
  const [approved, started] = [entries[2]?.data ?? {}, entries[3]?.data ?? {}]
  const digest = createHash('sha256').update(WORKFLOW).digest('hex')
  assert.deepEqual(started['policies'], {
    workflows: { '.github/workflows/ci.yml': digest },
    access: approved['digest'],
    operator: null,
    allow: [],
    resolve: [],
  })
})

interface Logged {
  readonly type: string
  readonly data?: Readonly<Record<string, unknown>>
}

async function logged(cwd: string): Promise<Logged[]> {
  const { stdout } = await world.run(['audit', 'show', '--json'], { cwd })
  const all = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { entry: Logged }).entry)
  return all.filter(({ type }) => ['run.refused', 'run.started', 'trust.approved', 'trust.revoked'].includes(type))
}

test('a file that names a job which no workflow has is told so by the run', async () => {
  const cwd = world.workflow(WORKFLOW, { 'sallyport.yml': 'version: 1\njobs: { biuld: { egress: [a.test] } }\n' })
  assert.equal((await world.run(['trust', '--yes'], { cwd })).exitCode, 0)
  const { events, exitCode } = await world.runJson(cwd)
  assert.equal(exitCode, 0)
  const notices = events.flatMap(({ type, data }) => (type === 'run.notice' ? [String(data['message'])] : []))
  assert.ok(
    notices.some((notice) => notice.startsWith('sallyport.yml:2:9: no workflow has a job "biuld" (did you mean "build"?)')),
    notices.join('\n'),
  )
})

test('a pull request of a fork asks for what its base asks for, one of the repository itself for what it says', async () => {
  const cwd = world.workflow(WORKFLOW, { 'sallyport.yml': asking('base.test') })
  const sha = git(cwd, 'rev-parse', 'HEAD')
  git(cwd, 'checkout', '-q', '-b', 'topic')
  writeFiles(cwd, { 'sallyport.yml': asking('wider.test') })
  commit(cwd)
  const payloadFrom = (repository: string): string => {
    const path = join(world.directory, `${repository.replace('/', '-')}.json`)
    const head = { ref: 'topic', repo: { full_name: repository } }
    writeFileSync(path, JSON.stringify({ pull_request: { head, base: { ref: 'main', sha, repo: { full_name: 'acme/tool' } } } }))
    return path
  }
  const run = (repository: string) => world.run(['run', '--event', 'pull_request', '--payload', payloadFrom(repository)], { cwd })
  const [fork, own] = [await run('eve/tool'), await run('acme/tool')]
  assert.deepEqual([fork.exitCode, own.exitCode], [3, 3])
  assert.match(
    fork.stderr,
    /"[0-9a-f]{12}:sallyport\.yml"[\s\S]*base\.test[\s\S]*git show [0-9a-f]{12}:sallyport\.yml > FILE; sallyport trust --access FILE/,
  )
  assert.doesNotMatch(fork.stderr, /wider/)
  assert.match(own.stderr, /"sallyport\.yml"[\s\S]*wider\.test/)

  // As the hint says.
  const reviewed = join(world.directory, 'reviewed.yml')
  writeFileSync(reviewed, git(cwd, 'show', `${sha}:sallyport.yml`))
  assert.equal((await world.run(['trust', '--access', reviewed, '--yes'], { cwd })).exitCode, 0)
  assert.equal((await run('eve/tool')).exitCode, 0)
  assert.equal((await run('acme/tool')).exitCode, 3)
})
