// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { JobCgroup } from './cgroup.ts'
import { type EffectiveLimits, jobMembers } from './cgroup.ts'
import type { Guarantee, SelfCheckResult, Standing } from './contract.ts'

/** Of a sandbox in which nothing of a job has run yet. */
export interface StandingInput {
  /** Host pid of PID 1. */
  readonly init: number
  readonly cgroup: JobCgroup
  readonly effective: EffectiveLimits
  /** Host pids of processes of ours in it, but for PID 1. */
  readonly own: readonly number[]
  /** What the keeper tells, by guarantee. */
  readonly keeper: readonly { readonly guarantee: string; readonly text: string }[]
  /** Default: /proc. */
  readonly proc?: string
}

/** Where something can be written: what has been takes an inode there. The home directory, `/tmp` and `/var/tmp` are on the disk of `/`. */
const WRITABLE = ['/', '/run', '/dev', '/dev/shm'] as const

/** Each is a guarantee by itself; see `GUARANTEES`. */
const NAMESPACES = {
  user: 'user-namespace',
  pid: 'pid-namespace',
  mnt: 'mount-namespace',
  net: 'network',
  ipc: 'ipc-namespace',
  uts: 'uts-namespace',
  cgroup: 'cgroup-namespace',
} as const satisfies Record<string, Guarantee>

/**
 * What the walls of a sandbox look like from outside, in words to be compared. PID 1 and the pump, which run in it, are our own program, and everything is read from
 * the kernel's own files. What a step gets at its start (its seccomp filter, Landlock domain, capabilities and resource limits) is not among it: there is none yet.
 */
export function lookAtWalls(input: StandingInput): Standing {
  const { init, proc = '/proc', effective } = input
  const directory = join(proc, String(init))
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
  const facts: [Guarantee, string][] = [
    ['init-protected', `PID 1 began at ${startOf(read('stat'))}`],
    ...statusFacts(read('status')),
    ['user-namespace', `ids ${lineOf(read('uid_map'))}, ${lineOf(read('gid_map'))}`],
    ...Object.entries(NAMESPACES).map(([name, guarantee]): [Guarantee, string] => [guarantee, readlinkSync(join(directory, 'ns', name))]),
    ...mountFacts(read('mountinfo')),
    ['pid-namespace', processes(input, join(directory, 'root/proc'))],
    ...WRITABLE.flatMap((path) => fileSystemFacts(join(directory, 'root', path), path)),
    ['memory-limit', `${effective.memoryBytes} bytes, with swap ${effective.memorySwapBytes}`],
    ['pids-limit', String(effective.pids)],
    ['cpu-limit', String(effective.cpu)],
    ['network', networkFacts(read)],
    ...input.keeper.map(({ guarantee, text }): [Guarantee, string] => [guarantee as Guarantee, text]),
  ]
  return facts.map(([guarantee, text]) => ({ guarantee, text }))
}

/** Of a guarantee that something else is said of than before: what was said, and what is. */
export function fallen(before: Standing, now: Standing): readonly SelfCheckResult[] {
  const results: SelfCheckResult[] = []
  for (let index = 0; index < Math.max(before.length, now.length); index += 1) {
    const [then, fact] = [before[index], now[index]]
    if (then?.guarantee === fact?.guarantee && then?.text === fact?.text) continue
    const guarantee = fact?.guarantee ?? then?.guarantee ?? 'init-protected'
    results.push({ guarantee, holds: false, evidence: difference(then?.text ?? '', fact?.text ?? ''), by: 'kernel' })
  }
  return results
}

const EVIDENCE_MAX = 200

function difference(then: string, now: string): string {
  const before = new Set(then.split('\n'))
  const after = new Set(now.split('\n'))
  const gone = [...before].filter((line) => !after.has(line)).join(' | ')
  const come = [...after].filter((line) => !before.has(line)).join(' | ')
  return `while the sandbox waited it changed from "${gone.slice(0, EVIDENCE_MAX)}" to "${come.slice(0, EVIDENCE_MAX)}"`
}

/** Field 22 of /proc/PID/stat (proc(5)), behind the name, which may hold anything: another process with the same number began at another time. */
function startOf(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function statusFacts(status: string): [Guarantee, string][] {
  const of = (...names: string[]): string =>
    status
      .split('\n')
      .filter((line) => names.some((name) => line.startsWith(`${name}:`)))
      .map(lineOf)
      .join(', ')
  return [
    ['capabilities', of('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')],
    ['no-new-privileges', of('NoNewPrivs')],
    ['seccomp', of('Seccomp', 'Seccomp_filters')],
    ['init-protected', of('NSpid', 'Threads', 'TracerPid')],
  ]
}

function lineOf(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

/** Field 5 is the mount point. What covers and binds the kernel's own files is told apart. */
function mountFacts(mountinfo: string): [Guarantee, string][] {
  const lines = mountinfo.split('\n').filter((line) => line !== '')
  const isKernels = (line: string): boolean => /^\S+ \S+ \S+ \S+ \/(?:proc|sys)[ /]/.test(line)
  return [
    ['masked-paths', lines.filter(isKernels).join('\n')],
    ['mount-namespace', lines.filter((line) => !isKernels(line)).join('\n')],
  ]
}

/** By cgroup, and by the sandbox's own process list, which has also what somebody started in its namespaces alone. */
function processes({ init, cgroup, own }: StandingInput, list: string): string {
  const ours = new Set([init, ...own])
  const others = jobMembers(cgroup).filter((pid) => !ours.has(pid))
  const visible = readdirSync(list).filter((name) => /^\d+$/.test(name)).length
  return `${visible} processes, ${visible - ours.size} of them not ours; ${others.length === 0 ? 'none' : others.join(' ')} beside ours in its cgroups`
}

function fileSystemFacts(path: string, name: string): [Guarantee, string][] {
  const { blocks, bsize, files, ffree } = statfsSync(path)
  return [
    ['disk-limit', `${name}: ${blocks} blocks of ${bsize} bytes`],
    ['inode-limit', `${name}: ${files - ffree} of ${files} inodes`],
  ]
}

/** Names of links, all routing tables, and addresses of IPv6; numbers that grow by themselves are left out. */
function networkFacts(read: (name: string) => string): string {
  const links = read('net/dev')
    .split('\n')
    .flatMap((line) => /^\s*([^:\s]+):/.exec(line)?.[1] ?? [])
  return `links ${links.join(' ')}\n${read('net/fib_trie')}\n${orNone(() => read('net/if_inet6'))}`
}

/** A kernel without IPv6 has no such file. */
function orNone(look: () => string): string {
  try {
    return look()
  } catch {
    return 'no IPv6'
  }
}
