// SPDX-License-Identifier: Apache-2.0
// Command lines of an ordinary user who is made for the test: an id that no account of the machine has, with account files of its own that are laid over /etc in a mount
// namespace. The machine's own /etc stays as it is.
import { execFileSync } from 'node:child_process'
import { chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from './_world.ts'

/** Neither root's, nor anybody's of a distribution. */
export const USER_ID = 61_234
export const USER_NAME = 'sallyport-tester'
/** Below what root gives to its jobs, above what `useradd` gives to users. */
export const FIRST_SUBORDINATE = 600_000_000
const SUBORDINATES = `${USER_NAME}:${FIRST_SUBORDINATE}:65536\n`

export interface OrdinaryUserSettings {
  /** Content of /etc/subuid and /etc/subgid; default: 65,536 ids. */
  readonly subuid?: string
  readonly subgid?: string
  /** Whether /etc/passwd knows the user; default: yes. */
  readonly hasAccount?: boolean
  /** A file of the machine that this user finds without its execute bits. */
  readonly without?: string
  /** A cgroup of version 2 that belongs to the user, of {@link delegateCgroup}. */
  readonly cgroup?: string
  /** More of setpriv. */
  readonly privileges?: readonly string[]
  /** What is entered first, e.g. a network namespace. */
  readonly wrap?: readonly string[]
}

/** The user of one world, whose directory becomes the user's. */
export class OrdinaryUser {
  readonly home: string
  readonly state: string
  readonly #world: World
  #accounts = 0

  constructor(world: World) {
    this.#world = world
    this.home = join(world.directory, 'home')
    this.state = world.state
    mkdirSync(this.home, { recursive: true })
    this.own()
  }

  /** What was made in the world meanwhile is the user's, too. */
  own(): void {
    execFileSync('chown', ['-R', `${USER_ID}:${USER_ID}`, this.#world.directory])
  }

  /** For `RunSettings.wrap`. */
  wrap(settings: OrdinaryUserSettings = {}): readonly string[] {
    const etc = this.#writeAccounts(settings)
    const { without = '', cgroup = '', privileges = [], wrap = [] } = settings
    return [...wrap, 'unshare', '--mount', 'sh', '-c', BECOME, etc, without, cgroup, ...SETPRIV, ...privileges, 'env', `HOME=${this.home}`]
  }

  #writeAccounts({ subuid = SUBORDINATES, subgid = SUBORDINATES, hasAccount = true }: OrdinaryUserSettings): string {
    this.#accounts += 1
    const etc = join(this.#world.directory, `etc-${this.#accounts}`)
    mkdirSync(etc)
    const account = `${USER_NAME}:x:${USER_ID}:${USER_ID}::${this.home}:/bin/sh\n`
    writeFileSync(join(etc, 'passwd'), readFileSync('/etc/passwd', 'utf8') + (hasAccount ? account : ''))
    writeFileSync(join(etc, 'group'), `${readFileSync('/etc/group', 'utf8')}${USER_NAME}:x:${USER_ID}:\n`)
    writeFileSync(join(etc, 'subuid'), subuid)
    writeFileSync(join(etc, 'subgid'), subgid)
    copyFileSync('/dev/null', join(etc, 'nothing'))
    return etc
  }
}

const SETPRIV = ['setpriv', `--reuid=${USER_ID}`, `--regid=${USER_ID}`, '--clear-groups'] as const

/** $0: the account files, $1: what has no execute bits, $2: a cgroup; then the command. */
const BECOME = `mount -t overlay -o "lowerdir=$0:/etc" none /etc &&
  { [ -z "$1" ] || mount --bind "$0/nothing" "$1"; } &&
  { [ -z "$2" ] || echo $$ > "$2/cgroup.procs"; } && shift 2 && exec "$@"`

/** A directory of the cgroup2 hierarchy, below `sallyport`, as systemd delegates one; null where there is no such hierarchy. */
export function delegateCgroup(name: string): string | null {
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[2] === 'cgroup2')
  if (mount === undefined) return null
  const directory = join(mount.split(' ')[1] ?? '', 'sallyport', `${name}-${process.pid}`)
  mkdirSync(directory, { recursive: true })
  for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']) chownSync(join(directory, file), USER_ID, USER_ID)
  return directory
}

/** The deepest first. */
export function removeCgroup(directory: string): void {
  if (!existsSync(directory)) return
  for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) removeCgroup(join(directory, entry.name))
  rmdirSync(directory)
}
