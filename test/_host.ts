// SPDX-License-Identifier: Apache-2.0
// What a run may leave on the host, told apart from what others do there at the same time: processes by a cgroup of ours, job cgroups by
// the run's id, loop devices and mounts by the state directory.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const SLOTS = '/run/sallyport/slots'
const BOX = '/run/sallyport/box'

/** A cgroup that every process of a world is born into. Those of a job leave it for their job's own. */
export interface Marker {
  readonly directory: string
  /** A process that writes itself into it is marked, and so is all that it starts. */
  readonly procs: string
  pids(): number[]
  /** Kills its members, those that a failed test left running, and removes it. */
  remove(): Promise<void>
}

let serial = 0

export function createMarker(): Marker {
  serial += 1
  const directory = join(markerHierarchy(), `sallyport-test-${process.pid}-${serial}`)
  mkdirSync(directory)
  const procs = join(directory, 'cgroup.procs')
  const pids = (): number[] => membersOf(directory)
  return { directory, procs, pids, remove: () => removeCgroup(directory, pids) }
}

/** Version 2 where there is one: it needs no controller for this. */
function markerHierarchy(): string {
  const mounts = cgroupMounts()
  const mount = mounts.find(({ type }) => type === 'cgroup2') ?? mounts.find(({ path }) => path.endsWith('pids'))
  if (mount === undefined) throw new Error('no cgroup hierarchy to mark processes in')
  return mount.path
}

function cgroupMounts(): { readonly path: string; readonly type: string }[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [, path, type] = line.split(' ')
    return path !== undefined && (type === 'cgroup' || type === 'cgroup2') ? [{ path, type }] : []
  })
}

async function removeCgroup(directory: string, pids: () => number[]): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    for (const pid of pids()) kill(pid, 'SIGKILL')
    try {
      return rmdirSync(directory)
    } catch (error) {
      // Its last members are still on their way out.
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt === 500) throw error
      await sleep(10)
    }
  }
}

/** False when there is no such process any more. */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

function membersOf(directory: string): number[] {
  return readIfPresent(join(directory, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
}

function readIfPresent(path: string): string {
  return unlessGone(() => readFileSync(path, 'utf8')) ?? ''
}

function listIfPresent(path: string): string[] {
  return unlessGone(() => readdirSync(path)) ?? []
}

/** Processes and cgroups come and go while they are looked at. */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ESRCH', 'EACCES', 'EINVAL'].includes(String((error as NodeJS.ErrnoException).code))) return null
    throw error
  }
}

export interface Place {
  readonly state: string
  readonly scratch: string
  readonly marker: Marker
}

/** Everything of this place's runs that is on the host now, one line a thing. */
export function tracesOf(place: Place): string[] {
  return [...processes(place), ...jobCgroups(place), ...loops(place), ...mounts(place), ...files(place)]
}

/** @throws AssertionError listing what is still there after `withinMs`. */
export async function assertNothingLeft(place: Place, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs
  let traces = tracesOf(place)
  while (traces.length > 0 && performance.now() < deadline) {
    await sleep(10)
    traces = tracesOf(place)
  }
  assert.deepEqual(traces, [])
}

function processes({ marker }: Place): string[] {
  return marker.pids().map((pid) => `process ${pid}: ${commandLine(pid)}`)
}

export function commandLine(pid: number): string {
  return readIfPresent(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
}

/** Job cgroups carry the last six characters of the run's id. */
function jobCgroupDirectories({ state }: Pick<Place, 'state'>): string[] {
  const suffixes = listIfPresent(join(state, 'runs')).map((id) => id.slice(-6))
  return cgroupMounts().flatMap(({ path }) => {
    const parent = join(path, 'sallyport')
    return listIfPresent(parent)
      .filter((name) => suffixes.some((suffix) => name.includes(suffix)))
      .map((name) => join(parent, name))
  })
}

function jobCgroups(place: Place): string[] {
  return jobCgroupDirectories(place).map((path) => `cgroup ${path}`)
}

/** Host ids of every process inside this place's sandboxes. */
export function sandboxPids(place: Pick<Place, 'state'>): number[] {
  const directories = jobCgroupDirectories(place)
  const all = directories.flatMap((directory) => [
    directory,
    ...listIfPresent(directory)
      .filter((name) => name.startsWith('step-'))
      .map((name) => join(directory, name)),
  ])
  return [...new Set(all.flatMap(membersOf))]
}

function loops({ state }: Place): string[] {
  return listIfPresent('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .map((name) => [name, readIfPresent(`/sys/block/${name}/loop/backing_file`).trim()])
    .filter(([, backing]) => backing?.startsWith(state))
    .map(([name, backing]) => `loop device ${name}: ${backing}`)
}

function mounts({ state }: Place): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${BOX}`) || line.includes(state))
    .map((line) => `mount ${line}`)
}

/** Half-made caches of a killed run (`partial`) are no part of a job; the next runs remove them. */
function files({ state, scratch }: Place): string[] {
  const spool = listIfPresent(join(state, 'sandbox', 'spool')).map((name) => `spool/${name}`)
  return [...spool, ...listIfPresent(scratch)].map((name) => `file ${name}`)
}

export interface KeeperProcess {
  readonly pid: number
  /** The file whose lock is the sandbox's id range. */
  readonly slot: string
}

/** The keepers of this place's sandboxes that have an id range; not the helpers that a keeper forks. */
export function keepersOf({ marker }: Pick<Place, 'marker'>): KeeperProcess[] {
  const found = new Map<string, KeeperProcess>()
  for (const pid of marker
    .pids()
    .filter(isKeeper)
    .toSorted((a, b) => a - b)) {
    const slot = openFiles(pid).find((path) => path.startsWith(`${SLOTS}/`))
    if (slot !== undefined && !found.has(slot)) found.set(slot, { pid, slot })
  }
  return [...found.values()]
}

function isKeeper(pid: number): boolean {
  return /sallyport-helper keeper( |$)/.test(commandLine(pid))
}

function openFiles(pid: number): string[] {
  return listIfPresent(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      return [] // Closed since it was listed.
    }
  })
}

/** A lock that nobody alive holds would keep an id range for ever. */
export function isSlotFree(slot: string): boolean {
  const inode = String(statSync(slot).ino)
  const holders = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((line) => line.includes('FLOCK') && line.includes(`:${inode} `))
    .map((line) => Number(line.trim().split(/\s+/)[4]))
  return holders.every(isKeeper)
}
