// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { release } from 'node:os'
import { dirname, join } from 'node:path'
import { formatDuration, formatSize, messageOf } from '@sallyport/core'
import { createDriver, DRIVER_NAMES, inspectHost, type SandboxCapabilities, type SelfCheckResult } from '@sallyport/sandbox'
import { effectiveLimits } from './admit/limits.ts'
import type { DoctorReport } from './contract.ts'
import { gateResidentBytes } from './gate/gate-memory.ts'
import { JobGate } from './gate/job-gate.ts'
import { prepareSandbox } from './prepare/prepare-sandbox.ts'

type Check = DoctorReport['checks'][number]

/** What this host can really enforce: asked of the kernel, and then tried in a sandbox that is really started. */
export async function examineHost(stateDirectory: string): Promise<DoctorReport> {
  const signal = AbortSignal.timeout(60_000)
  const drivers: SandboxCapabilities[] = []
  for (const name of DRIVER_NAMES) drivers.push(await createDriver(name, join(stateDirectory, 'sandbox')).probe(signal))
  const checks = [...kernelChecks(), await diskCheck(stateDirectory), swapCheck()]
  const tried = drivers.some((driver) => driver.usable) ? await trySandbox(stateDirectory, drivers, signal) : NOT_TRIED
  return {
    host: { os: osName(), kernel: release(), arch: process.arch, cgroup: inspectHost().cgroups, node: process.version },
    checks: [...checks, tried.gate],
    drivers,
    guarantees: tried.guarantees,
  }
}

interface Tried {
  readonly gate: Check
  readonly guarantees: readonly SelfCheckResult[]
}

const GATE_FIX = 'Run "sallyport exec -- true": its message says what the gate met'

const NOT_TRIED: Tried = {
  gate: { name: 'gate', ok: false, required: true, found: 'not tried: no driver is usable', fix: 'Make a driver usable first' },
  guarantees: [],
}

/** Nothing may leave; no step is run. */
const NO_ACCESS: ConstructorParameters<typeof JobGate>[0] = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
}

async function trySandbox(stateDirectory: string, drivers: readonly SandboxCapabilities[], signal: AbortSignal): Promise<Tried> {
  const isolation = drivers.find((driver) => driver.usable)?.driver === 'crun' ? 'crun' : 'runc'
  const limits = { ...effectiveLimits({}), memoryBytes: 256 << 20, memorySwapBytes: 256 << 20, diskBytes: 256 << 20, diskInodes: 16_384 }
  const gate = new JobGate(NO_ACCESS)
  try {
    const prepared = await prepareSandbox({ stateDirectory, isolation, limits, id: 'doctor', directories: [], gate, signal })
    const check = gateCheck(gate)
    await prepared.sandbox[Symbol.asyncDispose]()
    return { gate: check, guarantees: prepared.checks }
  } catch (error) {
    const named = (error as { details?: { guarantees?: readonly SelfCheckResult['guarantee'][] } }).details?.guarantees ?? []
    const guarantees = named.map((guarantee) => ({ guarantee, holds: false, evidence: messageOf(error) }))
    return { gate: gate.readyMs === null ? missingGate(messageOf(error)) : readyGate(gate.readyMs, null), guarantees }
  }
}

function gateCheck(gate: JobGate): Check {
  return gate.readyMs === null ? missingGate('it never answered') : readyGate(gate.readyMs, gateResidentBytes(gate.launch.argv))
}

function readyGate(readyMs: number, bytes: number | null): Check {
  const memory = bytes === null ? '' : `, ${formatSize(bytes)} resident`
  return { name: 'gate', ok: true, required: true, found: `ready after ${formatDuration(readyMs)}${memory}`, fix: null }
}

function missingGate(found: string): Check {
  return { name: 'gate', ok: false, required: true, found, fix: GATE_FIX }
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
}

function kernelChecks(): Check[] {
  const root = process.geteuid?.() === 0
  const userNamespaces = Number(readOr('/proc/sys/user/max_user_namespaces', '0'))
  return [
    {
      name: 'root',
      ok: root,
      required: true,
      found: root ? 'yes' : 'no',
      fix: root ? null : 'Run Sallyport with sudo; jobs never get root of this host',
    },
    check('kernel 5.19 or newer (idmapped overlay layers)', kernelAtLeast(5, 19), release(), 'Install a newer kernel, e.g. from backports'),
    check('user namespaces', userNamespaces > 0, String(userNamespaces), 'sysctl -w user.max_user_namespaces=10000'),
    check('overlayfs', readOr('/proc/filesystems', '').includes('overlay'), 'in /proc/filesystems', 'modprobe overlay'),
    check('ext4', readOr('/proc/filesystems', '').includes('ext4'), 'in /proc/filesystems', 'modprobe ext4'),
    check('loop devices', existsSync('/dev/loop-control'), '/dev/loop-control', 'modprobe loop'),
    check(
      'Landlock (steps are isolated from each other)',
      landlockIsOn(),
      readOr('/sys/kernel/security/lsm', 'the kernel is new enough; the guarantees below are the proof').trim(),
      'Boot with landlock in lsm=, kernel 5.13 or newer',
    ),
    check(
      'mke2fs',
      ['/usr/sbin/mke2fs', '/sbin/mke2fs', '/usr/bin/mke2fs'].some((path) => existsSync(path)),
      'e2fsprogs',
      'Install the package e2fsprogs',
    ),
  ]
}

function check(name: string, ok: boolean, found: string, fix: string): Check {
  return { name, ok, required: true, found: ok ? found : 'missing', fix: ok ? null : fix }
}

/** Without securityfs the self-check of a started sandbox is the proof; here only a named absence counts. */
function landlockIsOn(): boolean {
  const list = readOr('/sys/kernel/security/lsm', '')
  return list === '' ? kernelAtLeast(5, 13) : list.includes('landlock')
}

function kernelAtLeast(major: number, minor: number): boolean {
  const [foundMajor = 0, foundMinor = 0] = release().split('.').map(Number)
  return foundMajor > major || (foundMajor === major && foundMinor >= minor)
}

async function diskCheck(stateDirectory: string): Promise<Check> {
  const wanted = effectiveLimits({}).diskBytes
  const stats = await statfs(existingParent(stateDirectory))
  const free = stats.bavail * stats.bsize
  const ok = free >= wanted
  return {
    name: 'free space for one job at its disk limit',
    ok,
    required: false,
    found: `${formatSize(free)} under ${stateDirectory}`,
    fix: ok ? null : `Free ${formatSize(wanted)}, choose another --state, or lower --limit disk=…`,
  }
}

function existingParent(path: string): string {
  return existsSync(path) ? path : existingParent(dirname(path))
}

/** Jobs get no swap; the supervisor's own memory and a step's private files can be swapped on older kernels. */
function swapCheck(): Check {
  const active = readOr('/proc/swaps', '').trim().split('\n').slice(1)
  const ok = active.length === 0 || kernelAtLeast(6, 4)
  return {
    name: 'no secret can reach swap',
    ok,
    required: false,
    found: active.length === 0 ? 'no swap' : `${active.length} swap areas`,
    fix: ok ? null : 'swapoff -a, or encrypt swap',
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Absent on this kernel: the fallback says "not there".
    return fallback
  }
}
