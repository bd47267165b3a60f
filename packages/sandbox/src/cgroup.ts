// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { LimitCounts, Limits, Throttling } from './contract.ts'
import { CPU_PERIOD_US, cpuQuota } from './oci/bundle.ts'

/**
 * A job's place in the cgroup hierarchies, v1, v2 or both (hybrid). The OCI runtime made it and set the limits; here
 * steps get children of it, are counted, and are killed. All paths are the kernel's and the host's, none a job's: the job sees
 * its cgroups read-only, if at all.
 */
export interface JobCgroup {
  readonly hierarchies: readonly Hierarchy[]
}

export interface Hierarchy {
  readonly version: 1 | 2
  /** v1: the co-mounted controllers. v2: empty. */
  readonly controllers: readonly string[]
  /** The job's directory. */
  readonly directory: string
  /** How many directories below the hierarchy's root it lies. */
  readonly level: number
}

/** Reads and writes of cgroupfs; replaced in tests by a directory that looks like one. */
export interface CgroupPaths {
  readonly mounts: string
  readonly membership: string
}

export function cgroupPaths(pid: number): CgroupPaths {
  return { mounts: '/proc/self/mounts', membership: `/proc/${pid}/cgroup` }
}

/**
 * The hierarchies in which the process (PID 1 of a sandbox) has a cgroup of its own, i.e. not a root; with `name`, one of that name: without root the process
 * stays where its user is in all others.
 */
export function findJobCgroup(paths: CgroupPaths, name: string | null = null): JobCgroup {
  const mounts = parseMounts(readFileSync(paths.mounts, 'utf8'))
  const hierarchies: Hierarchy[] = []
  for (const line of readFileSync(paths.membership, 'utf8').split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(\/.+)$/.exec(line) ?? []
    if (names === undefined || path === undefined || path === '/') continue
    if (name !== null && basename(path) !== name) continue
    const mount = mounts.find((candidate) => (names === '' ? candidate.version === 2 : candidate.names.includes(names.split(',')[0] ?? '')))
    if (mount === undefined) continue
    hierarchies.push({
      version: mount.version,
      controllers: names === '' ? [] : names.split(','),
      directory: join(mount.path, path),
      level: path.split('/').filter(Boolean).length,
    })
  }
  return { hierarchies }
}

interface CgroupMount {
  readonly version: 1 | 2
  readonly path: string
  readonly names: readonly string[]
}

function parseMounts(text: string): CgroupMount[] {
  const mounts: CgroupMount[] = []
  for (const line of text.split('\n')) {
    const [, path, type, options] = line.split(' ')
    if (path === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue
    mounts.push({ version: type === 'cgroup2' ? 2 : 1, path: path.replace(/\\040/g, ' '), names: (options ?? '').split(',') })
  }
  return mounts
}

/** Hierarchies in which a step gets a child of its own: to be killed as a whole, counted, and told apart by the gate. */
function isPerStep(hierarchy: Hierarchy): boolean {
  return hierarchy.version === 2 || hierarchy.controllers.some((name) => name === 'pids' || name === 'memory' || name === 'freezer')
}

/** What holds the processes of one step together: its cgroup; see also UngroupedStep. */
export interface StepGroup {
  /** The last name in its path; empty where there is none. */
  readonly name: string
  /** Files that a process writes itself into to become a member. */
  readonly procsFiles: readonly string[]
  /** How the kernel tells the sockets of this step from others (nft `socket cgroupv2`); null where it cannot. */
  identify(): { readonly cgroup: bigint; readonly level: number } | null
  /** Ids of its processes. */
  members(): readonly number[]
  /** Kills every member, however it detached, and its first process also when that is still on its way; those that were there are killed once it is awaited. */
  kill(): void | Promise<void>
  /** The host's id of its first process, once that runs. */
  begun(pid: number): void
  isEmpty(): boolean
  /** False while a member lives. */
  remove(): boolean
  /** What the kernel counted in it. */
  limitCounts(): LimitCounts
}

export class StepCgroup implements StepGroup {
  readonly name: string
  readonly #hierarchies: readonly Hierarchy[]
  readonly #own: readonly Hierarchy[]
  #isKilled = false

  /** Creates the step's directories. `name` is ours, never a job's. */
  constructor(job: JobCgroup, name: string) {
    this.name = name
    this.#own = job.hierarchies.filter(isPerStep).map((hierarchy) => ({
      ...hierarchy,
      directory: join(hierarchy.directory, name),
      level: hierarchy.level + 1,
    }))
    this.#hierarchies = [...job.hierarchies.filter((hierarchy) => !isPerStep(hierarchy)), ...this.#own]
    for (const { directory } of this.#own) mkdirSync(directory)
    boundSockets([...job.hierarchies, ...this.#own])
  }

  /** Files that a process writes itself into to become a member. */
  get procsFiles(): string[] {
    return this.#hierarchies.map(({ directory }) => join(directory, 'cgroup.procs'))
  }

  /** How the kernel tells the sockets of this step from others (nft `socket cgroupv2`); null without version 2. */
  identify(): { readonly cgroup: bigint; readonly level: number } | null {
    const v2 = this.#own.find(({ version }) => version === 2)
    return v2 === undefined ? null : { cgroup: statSync(v2.directory, { bigint: true }).ino, level: v2.level }
  }

  /** Ids of its processes. */
  members(): readonly number[] {
    const [any] = this.#own
    return any === undefined ? [] : readMembers(any.directory)
  }

  /** Kills every member, however it detached: a process cannot leave its cgroup without write access to cgroupfs. */
  kill(): void {
    this.#isKilled = true
    const v2 = this.#own.find(({ version }) => version === 2)
    if (v2 !== undefined && writeIfPresent(join(v2.directory, 'cgroup.kill'), '1')) return
    this.#killFrozen()
  }

  /** v1 alone has no kill: freeze, so that nothing forks away, signal all, thaw. */
  #killFrozen(): void {
    const freezer = this.#own.find(({ controllers }) => controllers.includes('freezer')) ?? this.#own[0]
    if (freezer === undefined) return
    const state = join(freezer.directory, 'freezer.state')
    for (let attempt = 0; attempt < 100; attempt++) {
      writeIfPresent(state, 'FROZEN')
      const members = readMembers(freezer.directory)
      for (const pid of members) signal(pid)
      writeIfPresent(state, 'THAWED')
      if (members.length === 0) return
    }
  }

  /** It has joined by then: a kill before that met nobody. */
  begun(): void {
    if (this.#isKilled) this.kill()
  }

  isEmpty(): boolean {
    return this.#own.every(({ directory }) => readMembers(directory).length === 0)
  }

  /** Removes the directories; false while a member lives. */
  remove(): boolean {
    let removed = true
    for (const { directory } of this.#own) removed = removeDirectory(directory) && removed
    return removed
  }

  /** What the kernel counted in this step's own cgroups; version 1 counts it nowhere else. */
  limitCounts(): LimitCounts {
    return countsOf(this.#own)
  }
}

/** Ids of all processes of the job, and of everything in it. */
export function jobMembers({ hierarchies }: JobCgroup): readonly number[] {
  const directories = hierarchies.flatMap(({ directory }) => [directory, ...childrenOf(directory)])
  return [...new Set(directories.flatMap(readMembers))]
}

function childrenOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name))
}

const SOCKETS_BYTES_MAX = 256 << 20

/**
 * What TCP sockets hold of what nobody reads. Version 2 counts it as memory of the job; version 1 apart, and only of a cgroup that has a limit itself: without one a
 * job uses up what the whole machine has for it (`net.ipv4.tcp_mem`). At the limit connections get slow; none fails.
 */
function boundSockets(hierarchies: readonly Hierarchy[]): void {
  for (const { controllers, directory } of hierarchies) {
    if (controllers.includes('memory')) writeIfPresent(join(directory, 'memory.kmem.tcp.limit_in_bytes'), String(SOCKETS_BYTES_MAX))
  }
}

/** Of the job's own directories: on version 2 with those of its steps, on version 1 without. */
export function readLimitCounts(job: JobCgroup): LimitCounts {
  return countsOf(job.hierarchies)
}

function countsOf(hierarchies: readonly Hierarchy[]): LimitCounts {
  return {
    oomKills: readCounter(hierarchies, 'memory.events', 'memory.oom_control', 'oom_kill'),
    pidsRefused: readCounter(hierarchies, 'pids.events', 'pids.events', 'max'),
  }
}

/** Since the sandbox began. Zeros where the kernel does not count it. */
export function readThrottling({ hierarchies }: JobCgroup): Throttling {
  const count = (key: string): number => readCounter(hierarchies, 'cpu.stat', 'cpu.stat', key)
  return { periods: count('nr_periods'), throttled: count('nr_throttled') }
}

export function throttlingBetween(before: Throttling, after: Throttling): Throttling {
  return { periods: after.periods - before.periods, throttled: after.throttled - before.throttled }
}

/** Version 2, of a cgroup that the runtime did not make: without root that is we. What a controller is missing for is left out, and missing from {@link readEffectiveLimits}. */
export function setLimits({ hierarchies }: JobCgroup, limits: Pick<Limits, 'cpu' | 'memoryBytes' | 'memorySwapBytes' | 'pids'>): void {
  const values = {
    'memory.max': limits.memoryBytes,
    'memory.swap.max': limits.memorySwapBytes - limits.memoryBytes,
    'pids.max': limits.pids,
    'cpu.max': `${cpuQuota(limits.cpu)} ${CPU_PERIOD_US}`,
  }
  for (const { version, directory } of hierarchies)
    for (const [name, value] of Object.entries(values)) if (version === 2) writeIfPresent(join(directory, name), String(value))
}

/** The limits as they stand in the kernel, for the self-check; null where a controller is missing. */
export interface EffectiveLimits {
  readonly memoryBytes: number | null
  readonly memorySwapBytes: number | null
  readonly pids: number | null
  readonly cpu: number | null
}

export function readEffectiveLimits(job: JobCgroup): EffectiveLimits {
  const memory = readValue(job, ['memory.max', 'memory.limit_in_bytes'])
  const swap = readValue(job, ['memory.swap.max'])
  return {
    memoryBytes: memory,
    memorySwapBytes: swap === null || memory === null ? readValue(job, ['memory.memsw.limit_in_bytes']) : memory + swap,
    pids: readValue(job, ['pids.max']),
    cpu: readCpu(job),
  }
}

function readCpu(job: JobCgroup): number | null {
  const quota = readValue(job, ['cpu.cfs_quota_us'])
  const period = readValue(job, ['cpu.cfs_period_us'])
  if (quota !== null && period !== null) return quota > 0 ? quota / period : null
  const max = readText(job.hierarchies, 'cpu.max')?.trim().split(' ')
  if (max === undefined || max[0] === 'max') return null
  return Number(max[0]) / Number(max[1])
}

function readValue(job: JobCgroup, names: readonly string[]): number | null {
  for (const name of names) {
    const text = readText(job.hierarchies, name)?.trim()
    if (text === undefined || text === 'max') continue
    return Number(text)
  }
  return null
}

function readText(hierarchies: readonly Hierarchy[], name: string): string | null {
  for (const { directory } of hierarchies) {
    const text = readIfPresent(join(directory, name))
    if (text !== null) return text
  }
  return null
}

/** A `key value` line of one of two files, v2's first. Zero when the kernel does not count it. */
function readCounter(hierarchies: readonly Hierarchy[], v2File: string, v1File: string, key: string): number {
  for (const file of new Set([v2File, v1File])) {
    for (const { directory } of hierarchies) {
      const count = valueOf(key, readIfPresent(join(directory, file)) ?? '')
      if (count !== null) return count
    }
  }
  return 0
}

function valueOf(key: string, text: string): number | null {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `))
  return line === undefined ? null : Number(line.slice(key.length + 1))
}

function readMembers(directory: string): number[] {
  return (readIfPresent(join(directory, 'cgroup.procs')) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

function readIfPresent(path: string): string | null {
  // Most of what is looked for is in one hierarchy of many: an exception for each of the others would cost milliseconds.
  if (!existsSync(path)) return null
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return null
    throw error
  }
}

function writeIfPresent(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'r+' })
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return false
    throw error
  }
}

function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true
    if (isErrno(error, 'EBUSY', 'ENOTEMPTY')) return false
    throw error
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It ended by itself between the reading and the signal.
    if (!isErrno(error, 'ESRCH')) throw error
  }
}

function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
