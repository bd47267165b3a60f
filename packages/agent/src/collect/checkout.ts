// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from 'node:fs'
import { lstat, open, readdir, readFile, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { messageOf } from '@sallyport/core'
import type { PutEntry, Sandbox } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import { cloneGitDirectory, listWorkingTree, type Repository, resolveCommit, writeCommittedFiles } from '../claim/repository.spawn.ts'
import { ScratchDirectory } from '../scratch-directory.spawn.ts'
import { isOwnState } from './own-state.ts'

export interface CheckoutResult {
  readonly ref: string
  readonly commit: string
  readonly files: number
  readonly bytes: number
}

export interface CheckoutRequest {
  readonly repository: Repository
  readonly sandbox: Sandbox
  readonly workspace: string
  /** The step's `with`. */
  readonly inputs: Readonly<Record<string, string>>
  /** Left out when it lies in the repository. */
  readonly stateDirectory: string
}

/**
 * `actions/checkout`, served from the local repository. Without `ref` the job sees what the user sees: the working tree, tracked files and untracked
 * ones that are not ignored, over the commit of HEAD. With `ref` it sees that commit. The job gets a copy; it never gets a
 * credential (`persist-credentials` has nothing to persist).
 *
 * @throws AgentError REPOSITORY_UNREADABLE naming the file or ref.
 */
export async function checkout(request: CheckoutRequest): Promise<CheckoutResult> {
  const { repository, sandbox, workspace, inputs } = request
  assertServable(repository, inputs)
  const root = posix.resolve(workspace, inputs['path'] || '.')
  if (root !== workspace && !root.startsWith(`${workspace}/`))
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot check out to "${inputs['path']}": it is outside the workspace`)
  const prefix = posix.relative('/home/runner/work', root)
  const asked = inputs['ref'] || null
  const commit = asked === null ? repository.commit : await resolveCommit(repository, asked)
  if (commit === null)
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot check out "${asked}": this repository has no such branch, tag or commit`)
  await using scratch = await ScratchDirectory.create('checkout')
  const skip = isOwnState(repository.root, request.stateDirectory)
  const depth = Number(inputs['fetch-depth'] ?? '1')
  const entries = sourcesOf({ repository, scratch: scratch.path, commit, whole: asked !== null, depth, skip })
  const tally = { files: 0, bytes: 0 }
  await sandbox.putFiles('/home/runner/work', prefixed(prefix, tallied(entries, tally)))
  return { ref: asked ?? repository.ref, commit, ...tally }
}

/** Inputs that would need a network, another repository or a credential. Those with a literal value were refused before the run. */
function assertServable(repository: Repository, inputs: Readonly<Record<string, string>>): void {
  const other = inputs['repository'] ?? ''
  if (other !== '' && other.toLowerCase() !== repository.slug.toLowerCase()) {
    throw new AgentError(
      'REPOSITORY_UNREADABLE',
      `Cannot check out "${other}": only the local repository (${repository.slug}) is served in this release`,
    )
  }
  for (const name of ['submodules', 'lfs'] as const) {
    const value = (inputs[name] ?? '').toLowerCase()
    if (value !== '' && value !== 'false')
      throw new AgentError('REPOSITORY_UNREADABLE', `Cannot check out with "${name}: ${value}": not in this release`)
  }
}

interface Sources {
  readonly repository: Repository
  readonly scratch: string
  readonly commit: string
  /** The commit's own files rather than the working tree's. */
  readonly whole: boolean
  readonly depth: number
  /** Paths of the working tree that are not the repository's. */
  readonly skip: (path: string) => boolean
}

async function* sourcesOf(sources: Sources): AsyncGenerator<PutEntry> {
  const { repository, scratch, commit, skip } = sources
  if (!repository.isGit) {
    yield* directoryEntries(repository.root, '', skip)
    return
  }
  if (/^0+$/.test(commit)) {
    yield* listedEntries(repository.root, await listWorkingTree(repository), skip)
    return
  }
  const clone = join(scratch, 'clone')
  try {
    await cloneGitDirectory(repository, clone, { commit, depth: sources.depth })
    if (sources.whole) await writeCommittedFiles(clone)
  } catch (error) {
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot clone commit ${commit}: ${messageOf(error).split('\n').slice(0, 3).join(' ')}`, {
      cause: error,
    })
  }
  yield* directoryEntries(join(clone, '.git'), '.git')
  if (sources.whole) yield* directoryEntries(clone, '', (path) => path === '.git')
  else yield* listedEntries(repository.root, await listWorkingTree(repository), skip)
}

/** The files that a person would count: not those in `.git`. */
async function* tallied(entries: AsyncIterable<PutEntry>, tally: { files: number; bytes: number }): AsyncGenerator<PutEntry> {
  for await (const entry of entries) {
    if (entry.type === 'file' && !entry.path.startsWith('.git/')) {
      tally.files += 1
      tally.bytes += entry.size
    }
    yield entry
  }
}

async function* prefixed(prefix: string, entries: AsyncIterable<PutEntry>): AsyncGenerator<PutEntry> {
  yield { type: 'directory', path: prefix, mode: 0o755 }
  for await (const entry of entries) yield { ...entry, path: posix.join(prefix, entry.path) }
}

/**
 * Paths that git names; one that is gone (deleted, not committed) is not there for the job either. The index is a file of the repository's:
 * it can name what lies behind a link, or above the root, and that is not the repository's to give. Of a repository inside this one the job gets
 * the files, and not its `.git`, whose configuration may hold a credential.
 */
export async function* listedEntries(root: string, paths: readonly string[], skip: (path: string) => boolean): AsyncGenerator<PutEntry> {
  const real = new Set(['.'])
  for (const path of paths) {
    if (skip(path) || path.startsWith('/') || !(await isRealDirectory(root, posix.dirname(path), real))) continue
    const entry = await entryOf(join(root, path), path)
    if (entry?.type === 'directory')
      yield* directoryEntries(join(root, path), path, (inner) => skip(inner) || posix.basename(inner) === '.git')
    else if (entry !== null) yield entry
  }
}

/** Whether no component of the path is a link or `..`. `known` remembers what was looked at. */
async function isRealDirectory(root: string, path: string, known: Set<string>): Promise<boolean> {
  if (known.has(path)) return true
  if (posix.basename(path) === '..' || !(await isRealDirectory(root, posix.dirname(path), known))) return false
  const stats = await lstat(join(root, path)).catch(() => null)
  if (stats === null || !stats.isDirectory()) return false
  known.add(path)
  return true
}

/** Everything below a directory of the user's, in the order of names. */
export async function* directoryEntries(root: string, path = '', skip: (path: string) => boolean = () => false): AsyncGenerator<PutEntry> {
  const names = await readdir(join(root)).catch((error: unknown) => {
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot read directory "${root}": ${messageOf(error)}`, { cause: error })
  })
  for (const name of names.sort()) {
    const inner = posix.join(path, name)
    if (skip(inner)) continue
    const entry = await entryOf(join(root, name), inner)
    if (entry === null) continue
    yield entry
    if (entry.type === 'directory') yield* directoryEntries(join(root, name), inner, skip)
  }
}

const SMALL_BYTES = 256 * 1024

/** Null for what is absent, and for FIFOs, sockets and devices: opening one can block for ever, and no job needs a copy of it. */
async function entryOf(source: string, path: string): Promise<PutEntry | null> {
  try {
    const stats = await lstat(source)
    if (stats.isSymbolicLink()) return { type: 'symlink', path, target: await readlink(source) }
    if (stats.isDirectory()) return { type: 'directory', path, mode: (stats.mode & 0o777) | 0o700 }
    if (!stats.isFile()) return null
    const mode = stats.mode & 0o777
    if (stats.size > SMALL_BYTES) return { type: 'file', path, mode, size: stats.size, content: await openStream(source) }
    const content = await readFile(source)
    return { type: 'file', path, mode, size: content.length, content }
  } catch (error) {
    if (path.includes(NOT_UTF8)) throw notUtf8(path, error)
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot read "${source}": ${messageOf(error)}`, { cause: error })
  }
}

/** What Node puts in place of bytes that are no UTF-8. */
const NOT_UTF8 = '\uFFFD'

/** Left out without a word the file would be missed by a job, and by nobody else. */
function notUtf8(path: string, cause: unknown): AgentError {
  return new AgentError('REPOSITORY_UNREADABLE', `Cannot copy "${path}": its name is not UTF-8`, {
    cause,
    hint: 'Rename the file, or remove it',
  })
}

/** Opened now, so that an unreadable file is an error with its name rather than a broken stream later. */
async function openStream(source: string): Promise<AsyncIterable<Uint8Array>> {
  const file = await open(source, 'r')
  await file.close()
  return createReadStream(source, { highWaterMark: 1 << 20 })
}
