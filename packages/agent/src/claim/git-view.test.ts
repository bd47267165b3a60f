// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { listedEntries } from '../collect/checkout.ts'
import { cloneGitDirectory, inspectRepository, listChangedPaths, listWorkingTree, resolveCommit } from './repository.spawn.ts'

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-git-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function git(directory: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.test']
  return execFileSync('git', [...identity, ...args], { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

function repository(directory: string): string {
  mkdirSync(directory)
  git(directory, 'init', '-q', '-b', 'main')
  writeFileSync(join(directory, 'file'), 'content\n')
  git(directory, 'add', '-A')
  git(directory, 'commit', '-q', '-m', 'one')
  return directory
}

/** A program that leaves a trace when anything runs it. */
function trap(directory: string): { readonly program: string; readonly sprung: () => boolean } {
  const program = join(directory, 'trap')
  writeFileSync(program, `#!/bin/sh\ntouch ${join(directory, 'sprung')}\nexit 1\n`, { mode: 0o755 })
  return { program, sprung: () => existsSync(join(directory, 'sprung')) }
}

async function useEverything(root: string, scratch: string): Promise<void> {
  const inspected = await inspectRepository(root)
  await listWorkingTree(inspected)
  await listChangedPaths(inspected)
  await resolveCommit(inspected, 'main')
  // What is missing in the repository cannot be cloned; what matters is what ran.
  await cloneGitDirectory(inspected, join(scratch, 'clone'), { commit: inspected.commit, depth: 1 }).catch(() => undefined)
}

describe('git over a hostile repository', () => {
  it('runs no program to verify a signature that the configuration wants shown', async (t) => {
    const directory = temporary(t)
    const root = repository(join(directory, 'repository'))
    const { program, sprung } = trap(directory)
    const signed = git(root, 'cat-file', 'commit', 'HEAD').replace(
      '\n\n',
      '\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\n',
    )
    writeFileSync(join(directory, 'commit'), `${signed}\n`)
    git(root, 'update-ref', 'refs/heads/main', git(root, 'hash-object', '-t', 'commit', '-w', join(directory, 'commit')))
    git(root, 'config', 'log.showSignature', 'true')
    git(root, 'config', 'gpg.program', program)
    await useEverything(root, directory)
    assert.equal(sprung(), false)
  })

  const remotes = (program: string): Readonly<Record<string, readonly (readonly [string, string])[]>> => ({
    'an ext remote': [
      ['remote.origin.url', `ext::${program}`],
      ['protocol.ext.allow', 'always'],
    ],
    'an upload-pack program of a file remote': [
      ['remote.origin.url', 'file:///tmp'],
      ['remote.origin.uploadpack', program],
    ],
  })
  for (const name of Object.keys(remotes(''))) {
    it(`fetches no missing object of a partial clone over ${name}`, async (t) => {
      const directory = temporary(t)
      const root = repository(join(directory, 'repository'))
      const { program, sprung } = trap(directory)
      writeFileSync(join(root, '.git/refs/heads/main'), `${'1'.repeat(40)}\n`)
      const settings = [
        ['core.repositoryformatversion', '1'],
        ['extensions.partialClone', 'origin'],
        ['remote.origin.promisor', 'true'],
        ...(remotes(program)[name] ?? []),
      ] as const
      for (const [key, value] of settings) git(root, 'config', key, value)
      await useEverything(root, directory)
      assert.equal(sprung(), false)
    })
  }

  it('gives nothing that the index names behind a link or above the root', async (t) => {
    const directory = temporary(t)
    const root = repository(join(directory, 'repository'))
    mkdirSync(join(directory, 'outside'))
    writeFileSync(join(directory, 'outside/secret'), 'secret')
    symlinkSync('../outside', join(root, 'link'))
    const entries = await Array.fromAsync(listedEntries(root, ['file', 'link/secret', '../outside/secret', '/etc/passwd'], () => false))
    assert.deepEqual(
      entries.map((entry) => entry.path),
      ['file'],
    )
  })

  it('gives the files of a repository inside this one without its .git', async (t) => {
    const root = repository(join(temporary(t), 'repository'))
    repository(join(root, 'inner'))
    const entries = await Array.fromAsync(listedEntries(root, await listWorkingTree(await inspectRepository(root)), () => false))
    assert.deepEqual(
      entries.map((entry) => entry.path),
      ['inner/file', 'file'],
    )
  })
})

describe('git over an ordinary repository', () => {
  for (const format of ['sha1', 'sha256']) {
    it(`clones a ${format} repository with a packed branch, from a linked worktree too`, async (t) => {
      const directory = temporary(t)
      const root = join(directory, 'repository')
      mkdirSync(root)
      git(root, 'init', '-q', '-b', 'main', `--object-format=${format}`)
      writeFileSync(join(root, 'file'), 'content\n')
      git(root, 'add', '-A')
      git(root, 'commit', '-q', '-m', 'one')
      git(root, 'pack-refs', '--all')
      git(root, 'remote', 'add', 'origin', 'git@example.test:acme/tool.git')
      const worktree = join(directory, 'worktree')
      git(root, 'worktree', 'add', '-q', '-b', 'topic', worktree)
      for (const [place, ref] of [
        [root, 'refs/heads/main'],
        [worktree, 'refs/heads/topic'],
      ] as const) {
        const inspected = await inspectRepository(place)
        assert.deepEqual(inspected, {
          root: place,
          slug: 'acme/tool',
          ref,
          commit: git(root, 'rev-parse', 'HEAD'),
          actor: 'A',
          isGit: true,
        })
        assert.deepEqual(await listWorkingTree(inspected), ['file'])
        const target = join(directory, `clone-of-${inspected.ref.split('/')[2]}`)
        await cloneGitDirectory(inspected, target, { commit: inspected.commit, depth: 1 })
        assert.equal(readFileSync(join(target, '.git/HEAD'), 'utf8'), `ref: ${ref}\n`)
        assert.equal(git(target, 'show', 'HEAD:file'), 'content')
      }
    })
  }

  it('names what is wrong with a git directory that is none', async (t) => {
    const root = join(temporary(t), 'repository')
    mkdirSync(root)
    writeFileSync(join(root, '.git'), 'nothing of the kind')
    await assert.rejects(inspectRepository(root), { code: 'REPOSITORY_UNREADABLE', message: /names no git directory/ })
  })
})
