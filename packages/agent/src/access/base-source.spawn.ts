// SPDX-License-Identifier: Apache-2.0
import { relative } from 'node:path'
import { formatSize, messageOf } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'
import { type GitPlace, git, openGitView } from '../claim/git-view.spawn.ts'
import { ACCESS_FILE, FILE_BYTES_MAX, isInside, readAccessSource, type Source } from './access-source.ts'
import type { PullRequestBase } from './pull-request-base.ts'

/**
 * What the repository asks for as its own people wrote it: a fork's pull request must not choose its own doors, not even below an
 * operator's ceiling.
 *
 * @param named `--access`: a file outside of the repository is nobody's but the person's who names it.
 * @throws AgentError ACCESS_FILE_UNREADABLE, also where the base is not in this clone: then nobody knows what it asks for.
 */
export async function readBaseSource(repository: string, named: string | null, base: PullRequestBase): Promise<Source | null> {
  if (named !== null && !isInside(repository, named)) return readAccessSource(repository, named)
  const path = named === null ? ACCESS_FILE : relative(repository, named)
  try {
    await using view = await openGitView(repository)
    const commit = await commitOf(view, base)
    const text = await readBlob(view, commit, path)
    if (text === null && named !== null) throw new Error('there is no such file')
    // As git names it: `git show NAME` prints it.
    return text === null ? null : { name: `${commit.slice(0, 12)}:${path}`, path: named ?? path, text }
  } catch (error) {
    throw new AgentError('ACCESS_FILE_UNREADABLE', `Cannot read "${path}" of the base of the pull request: ${messageOf(error)}`, {
      cause: error,
      hint: 'For a pull request of a fork that file counts, and not what the fork made of it: fetch the base branch into this clone',
    })
  }
}

/** The commit that the event names, or none: a branch of this clone may be the fork's. */
async function commitOf(view: GitPlace, { commit, branch }: PullRequestBase): Promise<string> {
  const names = commit === null ? [`refs/remotes/origin/${branch}`, `refs/heads/${branch}`] : [commit]
  if (commit === null && branch === null) throw new Error('the event names neither its commit nor its branch')
  for (const name of names) {
    // Not there: the next one may be.
    const found = await git(view, ['rev-parse', '-q', '--verify', '--end-of-options', `${name}^{commit}`]).catch(() => '')
    if (found !== '') return found.trim()
  }
  throw new Error(`${commit ?? `the branch "${branch}"`} is not in this clone`)
}

/** Null when the commit has no such file. */
async function readBlob(view: GitPlace, commit: string, path: string): Promise<string | null> {
  const entry = await git(view, ['--literal-pathspecs', 'ls-tree', '-z', '--full-tree', commit, '--', path])
  if (entry === '') return null
  const [, mode, object = ''] = /^([0-7]{6}) blob ([0-9a-f]+)\t/.exec(entry) ?? []
  if (mode !== '100644' && mode !== '100755') throw new Error('it is not a regular file')
  const bytes = Number(await git(view, ['cat-file', '-s', object]))
  if (!(bytes <= FILE_BYTES_MAX)) throw new Error(`it has ${formatSize(bytes)}, and the most is ${formatSize(FILE_BYTES_MAX)}`)
  return await git(view, ['cat-file', 'blob', object])
}
