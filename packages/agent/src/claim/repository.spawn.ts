// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { messageOf } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'
import { type GitPlace, type GitView, git, openGitView } from './git-view.spawn.ts'

/** What the run knows of the repository. */
export interface Repository {
  readonly root: string
  /** `owner/name`, from the remote's URL, or `local/<directory>`. */
  readonly slug: string
  /** Full ref, e.g. `refs/heads/main`. */
  readonly ref: string
  /** Of HEAD; forty zeros when there is no commit. */
  readonly commit: string
  readonly actor: string
  readonly isGit: boolean
}

const NO_COMMIT = '0'.repeat(40)

async function gitOrNull(place: GitPlace, args: readonly string[]): Promise<string | null> {
  try {
    return (await git(place, args)).trim()
  } catch {
    // No such ref, remote or commit: the caller has a default for each.
    return null
  }
}

/** @throws AgentError REPOSITORY_UNREADABLE when there is a `.git` that git cannot read. */
export async function inspectRepository(root: string): Promise<Repository> {
  if (!existsSync(join(root, '.git'))) {
    return { root, slug: `local/${basename(root)}`, ref: 'refs/heads/main', commit: NO_COMMIT, actor: 'local', isGit: false }
  }
  await using view = await openReadable(root)
  const [ref, commit, remote, actor] = await Promise.all([
    gitOrNull(view, ['symbolic-ref', '-q', 'HEAD']),
    gitOrNull(view, ['rev-parse', '-q', '--verify', 'HEAD^{commit}']),
    view.setting('remote.origin.url'),
    gitOrNull(view, ['log', '-1', '--format=%an']),
  ])
  return {
    root,
    slug: slugOf(remote) ?? `local/${basename(root)}`,
    ref:
      ref ?? (await gitOrNull(view, ['describe', '--tags', '--exact-match']).then((tag) => (tag ? `refs/tags/${tag}` : 'refs/heads/main'))),
    commit: commit ?? NO_COMMIT,
    actor: actor || 'local',
    isGit: true,
  }
}

async function openReadable(root: string): Promise<GitView> {
  let view: GitView | null = null
  try {
    view = await openGitView(root)
    await git(view, ['rev-parse', '--git-dir'])
    return view
  } catch (error) {
    await view?.[Symbol.asyncDispose]()
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot read the git repository "${root}": ${firstLine(messageOf(error))}`, {
      cause: error,
    })
  }
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.startsWith('fatal')) ?? text.split('\n')[0] ?? text
}

/** The last two path segments of a remote's URL, in both of git's forms. */
function slugOf(remote: string | null): string | null {
  const [, owner, name] = /[/:]([^/:\s]+)\/([^/\s]+?)(?:\.git)?\/?$/.exec(remote ?? '') ?? []
  return owner === undefined || name === undefined ? null : `${owner}/${name}`
}

/** Tracked files and untracked ones that are not ignored, relative to the root. */
export async function listWorkingTree(repository: Repository): Promise<string[]> {
  await using view = await openGitView(repository.root)
  const text = await git(view, ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  return [...new Set(text.split('\0').filter((path) => path !== ''))]
}

/** Files changed by the last commit, for `paths` filters; null when that cannot be known. */
export async function listChangedPaths(repository: Repository): Promise<string[] | null> {
  if (!repository.isGit) return null
  await using view = await openGitView(repository.root)
  const text = await gitOrNull(view, ['diff-tree', '--no-commit-id', '--name-only', '-r', '-z', '--root', 'HEAD'])
  return text === null ? null : text.split('\0').filter((path) => path !== '')
}

/**
 * A clone in a directory of our own, without a work tree, whose index matches `commit`: what `actions/checkout` leaves in `.git`, without
 * the user's configuration, hooks, remotes' credentials or other branches.
 */
export async function cloneGitDirectory(repository: Repository, target: string, options: { commit: string; depth: number }): Promise<void> {
  await using view = await openGitView(repository.root)
  const clone = cloneAt(target)
  const depth = options.depth > 0 ? ['--depth', String(options.depth)] : []
  await mkdir(target)
  await git(clone, ['-c', 'init.defaultBranch=main', 'init', '-q', '--template=', `--object-format=${view.objectFormat}`])
  await git(clone, ['fetch', '-q', '--no-tags', ...depth, `file://${view.gitDirectory}`, `+${options.commit}:refs/remotes/origin/head`])
  const branch = /^refs\/heads\/(.+)$/.exec(repository.ref)?.[1]
  if (branch !== undefined && options.commit === repository.commit) {
    await git(clone, ['update-ref', repository.ref, options.commit])
    await git(clone, ['symbolic-ref', 'HEAD', repository.ref])
  } else {
    await git(clone, ['update-ref', '--no-deref', 'HEAD', options.commit])
  }
  await git(clone, ['read-tree', 'HEAD'])
}

function cloneAt(target: string): GitPlace {
  return { gitDirectory: join(target, '.git'), workTree: target }
}

/** Writes the files of a clone's commit beside its `.git`. */
export async function writeCommittedFiles(target: string): Promise<void> {
  await git(cloneAt(target), ['checkout-index', '--all', '--force'])
}

/** The commit of a branch, tag or hash of this repository, or null. */
export async function resolveCommit(repository: Repository, ref: string): Promise<string | null> {
  const short = ref.replace(/^refs\/(heads|tags)\//, '')
  await using view = await openGitView(repository.root)
  for (const candidate of [ref, `refs/heads/${short}`, `refs/tags/${short}`]) {
    if (candidate.startsWith('-')) return null
    const commit = await gitOrNull(view, ['rev-parse', '-q', '--verify', '--end-of-options', `${candidate}^{commit}`])
    if (commit !== null && commit !== '') return commit
  }
  return null
}
