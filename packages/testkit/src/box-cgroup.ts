// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export interface BoxLimits {
  readonly pids: number
  readonly memoryBytes: number
}

/** Limits of a plain box: without them nothing is started, because a box without limits is the machine itself. */
export interface BoxCgroup {
  /** Directories whose `cgroup.procs` a process joins, one a hierarchy. */
  readonly directories: readonly string[]
  /** Removes them; every process in them must be gone. */
  remove(): Promise<void>
}

type Hierarchy =
  | { readonly version: 1; readonly mount: string; readonly controller: string; readonly path: string }
  | { readonly version: 2; readonly mount: string; readonly path: string }

let serial = 0

/**
 * Makes the cgroup below this process's own one (version 1), or below the nearest ancestor that hands memory and
 * pids on to its children (version 2), so that no limit that the caller is under is left.
 */
export function createBoxCgroup(limits: BoxLimits): BoxCgroup {
  serial += 1
  const name = `sallyport-box-${process.pid}-${serial}`
  const directories: string[] = []
  try {
    for (const [controller, file, value] of [
      ['pids', 'pids.max', limits.pids],
      ['memory', 'memory.max', limits.memoryBytes],
    ] as const) {
      const hierarchy = hierarchyOf(controller)
      const directory = join(hierarchy.version === 1 ? join(hierarchy.mount, hierarchy.path) : delegatingAncestor(hierarchy), name)
      if (!directories.includes(directory)) {
        mkdirSync(directory)
        directories.push(directory)
      }
      writeFileSync(join(directory, hierarchy.version === 1 && controller === 'memory' ? 'memory.limit_in_bytes' : file), String(value))
    }
  } catch (error) {
    for (const directory of directories) rmdirSync(directory)
    throw new Error('Cannot give the plain box its limits: the memory and pids cgroup controllers are needed, and root', { cause: error })
  }
  return { directories, remove: () => removeAll(directories) }
}

/**
 * As {@link createBoxCgroup}, but with a directory in every hierarchy: in the box's own cgroup namespace they are the roots, below which
 * sandboxes get theirs.
 */
export function createNestCgroup(limits: BoxLimits): BoxCgroup {
  const limited = createBoxCgroup(limits)
  const name = basename(limited.directories[0] ?? '')
  const others = hierarchyRoots()
    .filter((root) => !limited.directories.some((directory) => directory.startsWith(`${root}/`)))
    .map((root) => join(root, name))
  for (const directory of others) {
    mkdirSync(directory)
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      // A new cpuset is empty, and holds no process before it is filled.
      if (existsSync(join(directory, file))) writeFileSync(join(directory, file), readFileSync(join(directory, '..', file)))
    }
  }
  const directories = [...limited.directories, ...others]
  return { directories, remove: () => removeAll(directories.flatMap(withChildren)) }
}

/** Mounts of version 1; and version 2 beside them. Where there is only version 2, the box's one directory is all. */
function hierarchyRoots(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
  return mounts.some(([, , type]) => type === 'cgroup') ? mounts.map(([, path]) => path ?? '') : []
}

/** Deepest first: what a driver that was killed in the box left. */
function withChildren(directory: string): string[] {
  const children = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return [...children.flatMap((entry) => withChildren(join(directory, entry.name))), directory]
}

function hierarchyOf(controller: 'pids' | 'memory'): Hierarchy {
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(':'))
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  const legacy = own.find(([, controllers]) => controllers?.split(',').includes(controller))
  if (legacy !== undefined) {
    const mount = mounts.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(controller))?.[1]
    if (mount !== undefined) return { version: 1, mount, controller, path: legacy.slice(2).join(':') }
  }
  const mount = mounts.find(([, , type]) => type === 'cgroup2')?.[1]
  const unified = own.find(([id, controllers]) => id === '0' && controllers === '')
  if (mount === undefined || unified === undefined) throw new Error(`no cgroup hierarchy has the ${controller} controller`)
  return { version: 2, mount, path: unified.slice(2).join(':') }
}

function delegatingAncestor(hierarchy: Hierarchy): string {
  for (let path = hierarchy.path; ; path = join(path, '..')) {
    const directory = join(hierarchy.mount, path)
    const handedOn = readFileSync(join(directory, 'cgroup.subtree_control'), 'utf8').trim().split(' ')
    // The root may hold processes and hand controllers on; any other cgroup may do only one of the two.
    const holdsNone = readFileSync(join(directory, 'cgroup.procs'), 'utf8') === ''
    if (handedOn.includes('memory') && handedOn.includes('pids') && (path === '/' || holdsNone)) return directory
    if (path === '/') throw new Error(`no cgroup above ${hierarchy.path} hands memory and pids on to its children`)
  }
}

/** The kernel needs a moment after the last exit; a cgroup that stays is an error, since it would pile up. */
async function removeAll(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        rmdirSync(directory)
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt === 100) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}
