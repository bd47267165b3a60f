// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decideConnection } from '@sallyport/access'
import { makeDirectory } from './_temporary-directory.ts'
import type { EffectiveAccess } from './contract.ts'
import { loadEffectiveAccess } from './load-access.ts'
import { forkBaseOf } from './pull-request-base.ts'

const COMMIT = 'a'.repeat(40)

test('a pull request is a fork’s unless the event says that both sides are one repository', () => {
  const from = (head: unknown, base: unknown) => forkBaseOf({ pull_request: { head, base } })
  const own = { repo: { full_name: 'acme/tool' }, sha: COMMIT, ref: 'main' }
  assert.equal(forkBaseOf(null), null)
  assert.equal(forkBaseOf({ ref: 'refs/heads/main' }), null)
  assert.equal(from({ repo: { full_name: 'acme/tool' } }, own), null)
  const forks = [{ repo: { full_name: 'eve/tool' } }, { repo: null }, { repo: {} }, {}, null]
  for (const head of forks) assert.deepEqual(from(head, own), { commit: COMMIT, branch: 'main' }, JSON.stringify(head))
  // Two names that are missing are not the same name.
  assert.deepEqual(from({}, { sha: '--output=x', ref: 7 }), { commit: null, branch: null })
})

const asking = (host: string): string => `version: 1\negress: [${host}]\n`

interface Fork {
  readonly repository: string
  readonly baseCommit: string
  load(base: Parameters<typeof loadEffectiveAccess>[0]['base'], accessFile?: string): Promise<EffectiveAccess>
}

/** A clone in which a fork's branch is checked out; the base asks for `base.test`, the working tree for `fork.test`. */
function makeFork(t: TestContext, makeBase: (repository: string) => void = () => undefined): Fork {
  const repository = makeDirectory(t, { 'sallyport.yml': asking('base.test'), 'ci/access.yml': asking('base-ci.test') })
  const git = (...words: readonly string[]): string =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=A', '-c', 'user.email=a@example.test', ...words], { encoding: 'utf8' }).trim()
  git('init', '-q', '-b', 'main')
  makeBase(repository)
  git('add', '-A')
  git('commit', '-q', '-m', 'base')
  const baseCommit = git('rev-parse', 'HEAD')
  git('checkout', '-q', '-b', 'fork')
  for (const name of ['sallyport.yml', 'ci/access.yml']) {
    git('rm', '-q', '--force', '--ignore-unmatch', name)
    makeDirectoryOf(repository, name)
    writeFileSync(join(repository, name), asking('fork.test'))
  }
  git('add', '-A')
  git('commit', '-q', '-m', 'wider')
  const stateDirectory = makeDirectory(t)
  // An operator who allows everything: nothing but the base stands between a fork and the ceiling.
  const operatorFile = join(makeDirectory(t, { 'config.yml': 'version: 1\n' }), 'config.yml')
  return {
    repository,
    baseCommit,
    load: (base, accessFile) =>
      loadEffectiveAccess({
        egress: { allow: [], mode: 'enforce', resolve: [], operatorFile, accessFile: accessFile ?? null },
        repository,
        base,
        plans: null,
        stateDirectory,
      }),
  }
}

function makeDirectoryOf(repository: string, name: string): void {
  execFileSync('mkdir', ['-p', join(repository, name, '..')])
}

function allowedOf(access: EffectiveAccess): readonly string[] {
  const sets = access.setsFor('build', null)
  return ['base.test', 'base-ci.test', 'fork.test', 'outside.test'].filter(
    (name) => decideConnection(sets, { name, address: null, port: 443, transport: 'tcp', executable: null }).allowed,
  )
}

test('a fork asks for what its base asks for, and the run says so', async (t) => {
  const { load, baseCommit } = makeFork(t)
  assert.deepEqual(allowedOf(await load(null)), ['fork.test'])
  for (const base of [
    { commit: baseCommit, branch: 'fork' },
    { commit: null, branch: 'main' },
  ]) {
    const access = await load(base)
    assert.deepEqual(allowedOf(access), ['base.test'])
    assert.match(access.notices.join('\n'), new RegExp(`fork: .*"${baseCommit.slice(0, 12)}:sallyport.yml" does`))
  }
})

test('--access names a file of the base, too, unless it lies outside of the repository', async (t) => {
  const { load, baseCommit, repository } = makeFork(t)
  const base = { commit: baseCommit, branch: null }
  assert.deepEqual(allowedOf(await load(base, join(repository, 'ci/access.yml'))), ['base-ci.test'])
  const outside = makeDirectory(t, { 'access.yml': asking('outside.test') })
  assert.deepEqual(allowedOf(await load(base, join(outside, 'access.yml'))), ['outside.test'])
  await assert.rejects(load(base, join(repository, 'ci/none.yml')), { code: 'ACCESS_FILE_UNREADABLE' })
})

test('a base without an access file asks for nothing', async (t) => {
  const { load, baseCommit } = makeFork(t, (repository) => execFileSync('rm', [join(repository, 'sallyport.yml')]))
  assert.deepEqual(allowedOf(await load({ commit: baseCommit, branch: null })), [])
})

test('a base that cannot be read opens nothing: the run does not start', async (t) => {
  const { load } = makeFork(t)
  for (const base of [
    { commit: COMMIT, branch: 'main' },
    { commit: null, branch: 'gone' },
    { commit: null, branch: '-x' },
    { commit: null, branch: null },
  ])
    await assert.rejects(load(base), { code: 'ACCESS_FILE_UNREADABLE' }, JSON.stringify(base))
  const linked = makeFork(t, (repository) => {
    execFileSync('rm', [join(repository, 'sallyport.yml')])
    symlinkSync('ci/access.yml', join(repository, 'sallyport.yml'))
  })
  await assert.rejects(linked.load({ commit: linked.baseCommit, branch: null }), { code: 'ACCESS_FILE_UNREADABLE' })
  const plain = makeDirectory(t, { 'sallyport.yml': asking('fork.test') })
  await assert.rejects(
    loadEffectiveAccess({
      egress: { allow: [], mode: 'enforce', resolve: [], operatorFile: null, accessFile: null },
      repository: plain,
      base: { commit: COMMIT, branch: 'main' },
      plans: null,
      stateDirectory: makeDirectory(t),
    }),
    { code: 'ACCESS_FILE_UNREADABLE' },
  )
})
