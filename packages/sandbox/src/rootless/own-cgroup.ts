// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A directory of the cgroup2 hierarchy that is the user's: jobs get theirs below it. */
export interface OwnCgroup {
  readonly directory: string
  /** As the kernel and the runtime name it, from the hierarchy's root. */
  readonly path: string
  /** Those that jobs can be given limits of: `memory`, `pids`, `cpu`. */
  readonly controllers: readonly string[]
}

interface Files {
  readonly mounts: string
  readonly membership: string
}

const SUPERVISOR = 'sallyport-supervisor'

/**
 * The cgroup that this process is in, where it was delegated to its user; null otherwise. A process can only be moved within what is the user's own, so no
 * other directory will do. The kernel hands controllers down only from a cgroup without processes: where this process is alone in it, as in a scope of its own, it moves
 * itself one down.
 */
export function claimOwnCgroup(files: Files = { mounts: '/proc/self/mounts', membership: '/proc/self/cgroup' }): OwnCgroup | null {
  const root = rootOf(readFileSync(files.mounts, 'utf8'))
  const own = /^0::(\/.*)$/m.exec(readFileSync(files.membership, 'utf8'))?.[1]
  if (root === null || own === undefined) return null
  const path = own.endsWith(`/${SUPERVISOR}`) ? own.slice(0, -SUPERVISOR.length - 1) : own
  const directory = join(root, path)
  if (path === '/' || !isOurs(directory)) return null
  return { directory, path, controllers: handDown(directory) }
}

function rootOf(mounts: string): string | null {
  const line = mounts.split('\n').find((candidate) => candidate.split(' ')[2] === 'cgroup2')
  return line?.split(' ')[1]?.replace(/\\040/g, ' ') ?? null
}

function isOurs(directory: string): boolean {
  try {
    for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control']) accessSync(join(directory, name), constants.W_OK)
    return true
  } catch {
    // Somebody else's, or not there: nothing of it can be used.
    return false
  }
}

function handDown(directory: string): string[] {
  const offered = readWords(join(directory, 'cgroup.controllers'))
  const wanted = ['memory', 'pids', 'cpu'].filter((name) => offered.includes(name))
  if (wanted.length === 0 || !leaveTo(directory)) return []
  for (const name of wanted) writeOrNot(join(directory, 'cgroup.subtree_control'), `+${name}`)
  return readWords(join(directory, 'cgroup.subtree_control')).filter((name) => wanted.includes(name))
}

/** Whether no process is left in it. Others than this one and its children, e.g. the shell of a terminal, are nothing of ours to move. */
function leaveTo(directory: string): boolean {
  const members = readWords(join(directory, 'cgroup.procs'))
  if (members.length === 0) return true
  if (!members.every(isOwnFamily)) return false
  const own = join(directory, SUPERVISOR)
  if (!existsSync(own)) mkdirSync(own)
  for (const member of members) writeOrNot(join(own, 'cgroup.procs'), member)
  return readWords(join(directory, 'cgroup.procs')).length === 0
}

function isOwnFamily(pid: string): boolean {
  if (pid === String(process.pid)) return true
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] === String(process.pid)
  } catch {
    // It has ended meanwhile.
    return true
  }
}

function readWords(path: string): string[] {
  return readFileSync(path, 'utf8').split(/\s+/).filter(Boolean)
}

/** What the kernel refuses is left out, and is missing from what is read afterwards. */
function writeOrNot(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'r+' })
    return true
  } catch {
    return false
  }
}
