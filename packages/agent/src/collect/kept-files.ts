// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { createWriteStream, lstatSync, type Stats } from 'node:fs'
import { lchown, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { FileEntry, Sandbox } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import { ReadAllowance } from './read-allowance.ts'

/** The tree before the command: path → when its inode last changed. A command cannot give a changed file an old one. */
export type Baseline = ReadonlyMap<string, bigint>

export async function takeBaseline(sandbox: Sandbox, workspace: string): Promise<Baseline> {
  const entries = await sandbox.listFiles(workspace, ENTRIES_MAX)
  return new Map(entries.filter((entry) => entry.type !== 'directory').map((entry) => [entry.path, entry.changedAtNs]))
}

export interface ChangedFiles {
  /** Untrusted names and sizes; regular files only. */
  readonly kept: readonly FileEntry[]
  /** Changed, created or deleted files that are not kept. */
  readonly dropped: number
}

const ENTRIES_MAX = 1_000_000

export async function findChanges(
  sandbox: Sandbox,
  workspace: string,
  baseline: Baseline,
  write: readonly string[],
): Promise<ChangedFiles> {
  const now = (await sandbox.listFiles(workspace, ENTRIES_MAX)).filter((entry) => entry.type !== 'directory')
  const changed = now.filter((entry) => baseline.get(entry.path) !== entry.changedAtNs)
  const present = new Set(now.map((entry) => entry.path))
  const deleted = [...baseline.keys()].filter((path) => !present.has(path)).length
  const kept = changed.filter((entry) => isKept(entry, write))
  return { kept, dropped: changed.length - kept.length + deleted }
}

/** Links and special files stay behind: a link out of the directory would be followed later, on the host. `.GIT` is `.git` where case does not count. */
function isKept(entry: FileEntry, write: readonly string[]): boolean {
  if (entry.type !== 'file' || !isPlainPath(entry.path)) return false
  return write.some((path) => {
    const base = path.replace(/^\.\//, '').replace(/\/+$/, '')
    return base === '.' || base === '' || entry.path === base || entry.path.startsWith(`${base}/`)
  })
}

/** Untrusted: `..`, an empty component or a leading slash would name a file outside of the directory. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.toLowerCase() !== '.git')
}

/**
 * Writes the kept files into the user's directory. Names come from the job: each component on the way must be a real directory there, so that no
 * link, old or new, leads a file elsewhere.
 */
export async function keepChanges(
  sandbox: Sandbox,
  workspace: string,
  { directory, kept, bytesMax }: { readonly directory: string; readonly kept: readonly FileEntry[]; readonly bytesMax: number },
): Promise<void> {
  // Root writes into a user's directory: what it leaves there is the user's.
  const owner = lstatSync(directory)
  const allowance = new ReadAllowance(bytesMax)
  const modes = new Map(kept.map((entry) => [entry.path, entry.mode & 0o111 ? 0o755 : 0o644]))
  await sandbox.readFiles(workspace, [...modes.keys()], async (path, content) => {
    if (content === null) return
    const target = join(directory, path)
    await makeRealDirectories(directory, dirname(path), owner)
    // Unlike any name that a job or a killed run may have put there, and short where the job's own name is as long as names may be.
    const partial = join(dirname(target), `.${randomUUID()}.sallyport-partial`)
    try {
      await pipeline(allowance.of(content, path), createWriteStream(partial, { flags: 'wx', mode: modes.get(path) ?? 0o644 }))
      assertReplaceable(target, path)
      await lchown(partial, owner.uid, owner.gid)
      await rename(partial, target)
    } catch (error) {
      await rm(partial, { force: true })
      throw error
    }
  })
}

async function makeRealDirectories(root: string, path: string, owner: Stats): Promise<void> {
  let current = root
  for (const part of path.split('/')) {
    if (part === '.' || part === '') continue
    current = join(current, part)
    const stats = lstatSync(current, { throwIfNoEntry: false })
    if (stats === undefined) {
      await mkdir(current)
      await lchown(current, owner.uid, owner.gid)
    } else if (!stats.isDirectory())
      throw new AgentError('WRITE_REFUSED', `Cannot keep files under "${path}": "${current}" is no directory`)
  }
}

function assertReplaceable(target: string, path: string): void {
  const stats = lstatSync(target, { throwIfNoEntry: false })
  if (stats !== undefined && !stats.isFile())
    throw new AgentError('WRITE_REFUSED', `Cannot keep "${path}": there is something else of that name`)
}
