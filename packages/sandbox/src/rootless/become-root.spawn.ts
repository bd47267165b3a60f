// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { release, userInfo } from 'node:os'
import { findProgram } from '../drivers/oci-runtime.spawn.ts'
import { findHelper } from '../native/helper-path.ts'
import { SandboxError } from '../sandbox-error.ts'
import { findSubordinateIds, type IdOwner, mapOf, slotsOf } from './subordinate-ids.ts'

/**
 * Starts this program again, in this process, as the root of a user namespace of its user's own; does nothing for root. Before anything is opened or read that the
 * new program would miss.
 *
 * @throws SandboxError SANDBOX_UNSUPPORTED naming what is missing and how to get it. What only the kernel or newuidmap can tell ends the process with `exitCode`.
 */
export function becomeOwnRoot(exitCode: number, env: Readonly<Record<string, string | undefined>>): void {
  if (process.geteuid?.() === 0) return
  const { mapUsers, mapGroups, users, groups } = inspectIds()
  const helper = findHelper()
  process.execve?.(
    helper,
    [
      ...[helper, 'outer', String(exitCode), mapUsers, mapGroups, ...users.map(String), '--', ...groups.map(String), '--'],
      ...[process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    ],
    env,
  )
  throw new SandboxError('SANDBOX_FAILED', `Cannot start "${helper}"`)
}

export interface OuterIds {
  readonly mapUsers: string
  readonly mapGroups: string
  readonly users: readonly number[]
  readonly groups: readonly number[]
}

/** What the user namespace of this user is made with. @throws SandboxError SANDBOX_UNSUPPORTED. */
export function inspectIds(): OuterIds {
  assertMayGain()
  assertUserNamespaces()
  assertKernel()
  const mapUsers = findMapper('newuidmap')
  const mapGroups = findMapper('newgidmap')
  const owner: IdOwner = { id: process.getuid?.() ?? -1, name: userName() }
  const users = findSubordinateIds('subuid', readOrNull('/etc/subuid'), owner)
  const groups = findSubordinateIds('subgid', readOrNull('/etc/subgid'), owner)
  const slots = slotsOf(users, groups)
  return { mapUsers, mapGroups, users: mapOf(owner.id, users, slots), groups: mapOf(process.getgid?.() ?? -1, groups, slots) }
}

/** The two programs are root's by a bit that means nothing then. */
function assertMayGain(): void {
  if (!/^NoNewPrivs:\s*1$/m.test(readFileSync('/proc/self/status', 'utf8'))) return
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    'Cannot build a sandbox without root: this process may gain no privileges, so newuidmap has none',
    {
      hint: 'Start it from where no_new_privs is not set (systemd: NoNewPrivileges=no)',
    },
  )
}

/** Before, RLIMIT_NPROC counted what an id has anywhere, not what a user namespace holds. */
function assertKernel(): void {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  if (major > 5 || (major === 5 && minor >= 14)) return
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    `Cannot build a sandbox without root: Linux ${release()} counts no processes of a user namespace`,
    {
      hint: 'Linux 5.14 does; sudo works without',
      details: { missing: 'kernel' },
    },
  )
}

/** Kernels and distributions turn them off in three ways. */
const SWITCHES: readonly (readonly [file: string, off: string, fix: string])[] = [
  ['/proc/sys/user/max_user_namespaces', '0', 'sysctl -w user.max_user_namespaces=10000'],
  ['/proc/sys/kernel/unprivileged_userns_clone', '0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with "userns," for the helper',
  ],
]

function assertUserNamespaces(): void {
  const off = SWITCHES.find(([file, value]) => readOrNull(file)?.trim() === value)
  if (off === undefined) return
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    `Cannot build a sandbox without root: this host lets no user make user namespaces (${off[0]})`,
    {
      hint: `As root: ${off[2]}; sudo works without`,
      details: { missing: 'user-namespaces' },
    },
  )
}

function findMapper(name: string): string {
  const path = findProgram(name)
  if (path !== null) return path
  throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox without root: "${name}" is not installed`, {
    hint: 'Install the package uidmap (shadow-utils on other distributions), or use sudo',
    details: { missing: name },
  })
}

/** Null for an id without an account. */
function userName(): string | null {
  try {
    return userInfo().username
  } catch {
    // A number alone can have subordinate ids, too.
    return null
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
