// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { release } from 'node:os'
import { dirname, join } from 'node:path'
import { type OperatorFile, parseOperatorFile } from '@sallyport/access'
import { formatDuration, formatSize, messageOf } from '@sallyport/core'
import { type OuterNamespace, readOuterNamespace } from '@sallyport/linux'
import { createDriver, DRIVER_NAMES, inspectHost, inspectIds, SandboxError, type SelfCheckResult, type Weakness } from '@sallyport/sandbox'
import { readOperatorSource } from '../access/access-source.ts'
import type { ChosenIsolation } from '../admit/isolation.ts'
import { effectiveLimits } from '../admit/limits.ts'
import type { DoctorReport } from '../contract.ts'
import { gateResidentBytes } from '../gate/gate-memory.ts'
import { JobGate } from '../gate/job-gate.ts'
import { HOST_IMAGE } from '../images/job-image.ts'
import { prepareSandbox } from '../prepare/prepare-sandbox.ts'

type Check = DoctorReport['checks'][number]

/** What this host can really enforce: asked of the kernel, and then tried in a sandbox that is really started. */
export async function examineHost(stateDirectory: string): Promise<DoctorReport> {
  const signal = AbortSignal.timeout(180_000)
  const runsc = (await readIsolation())?.runsc ?? undefined
  const drivers: DoctorReport['drivers'][number][] = []
  let tried = NOT_TRIED
  for (const name of DRIVER_NAMES) {
    const capabilities = await createDriver(name, join(stateDirectory, 'sandbox'), { runsc }).probe(signal)
    const attempt = capabilities.usable ? await trySandbox(stateDirectory, { driver: name, name, runsc, notice: null }, signal) : NOT_TRIED
    drivers.push({ ...capabilities, guarantees: attempt.guarantees })
    if (capabilities.usable && tried === NOT_TRIED) tried = attempt
  }
  const checks = [...kernelChecks(), await diskCheck(stateDirectory), swapCheck()]
  return {
    host: { os: osName(), kernel: release(), arch: process.arch, cgroup: inspectHost().cgroups, node: process.version },
    checks: [...checks, tried.gate],
    drivers,
    guarantees: tried.guarantees,
    weaker: tried.weaker,
  }
}

interface Tried {
  readonly gate: Check
  readonly guarantees: readonly SelfCheckResult[]
  readonly weaker: readonly Weakness[]
}

const GATE_FIX = 'Run "sallyport exec -- true": its message says what the gate met'

const NOT_TRIED: Tried = {
  gate: { name: 'gate', ok: false, required: true, found: 'not tried: no driver is usable', fix: 'Make a driver usable first' },
  guarantees: [],
  weaker: [],
}

/** Nothing may leave; no step is run. */
const NO_ACCESS: ConstructorParameters<typeof JobGate>[0] = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
}

async function trySandbox(stateDirectory: string, isolation: ChosenIsolation, signal: AbortSignal): Promise<Tried> {
  const limits = { ...effectiveLimits({}), memoryBytes: 256 << 20, memorySwapBytes: 256 << 20, diskBytes: 256 << 20, diskInodes: 16_384 }
  const gate = new JobGate(NO_ACCESS)
  try {
    const prepared = await prepareSandbox({
      stateDirectory,
      isolation,
      limits,
      askedLimits: [],
      id: 'doctor',
      directories: [],
      image: Promise.resolve(HOST_IMAGE),
      gate,
      signal,
    })
    const check = gateCheck(gate)
    await prepared.sandbox[Symbol.asyncDispose]()
    return { gate: check, guarantees: [...prepared.checks, ...prepared.failed.map(weakGuarantee)], weaker: prepared.weaknesses }
  } catch (error) {
    const named = (error as { details?: { guarantees?: readonly SelfCheckResult['guarantee'][] } }).details?.guarantees ?? []
    const guarantees = named.map((guarantee) => ({ guarantee, holds: false, evidence: messageOf(error), by: 'kernel' as const }))
    return { gate: gate.readyMs === null ? missingGate(messageOf(error)) : readyGate(gate.readyMs, null), guarantees, weaker: [] }
  }
}

function weakGuarantee(name: string): SelfCheckResult {
  return { guarantee: name as SelfCheckResult['guarantee'], holds: false, evidence: 'weaker without root, see below', by: 'kernel' }
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

/** What the operator says, in the usual place, where drivers are to be looked for. */
async function readIsolation(): Promise<OperatorFile['isolation'] | null> {
  const source = await readOperatorSource(null)
  return source === null ? null : (await parseOperatorFile(source.name, source.text)).isolation
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
}

function kernelChecks(): Check[] {
  const root = process.geteuid?.() === 0
  const outer = readOuterNamespace()
  const userNamespaces = Number(readOr('/proc/sys/user/max_user_namespaces', '0'))
  return [
    outer === null ? rootCheck(root) : subordinateCheck(outer),
    outer === null
      ? check('kernel 5.19 or newer (idmapped overlay layers)', kernelAtLeast(5, 19), release(), NEWER_KERNEL)
      : check('kernel 5.14 or newer (processes of a user namespace are counted)', kernelAtLeast(5, 14), release(), NEWER_KERNEL),
    check('user namespaces', userNamespaces > 0, String(userNamespaces), 'sysctl -w user.max_user_namespaces=10000'),
    check('overlayfs', readOr('/proc/filesystems', '').includes('overlay'), 'in /proc/filesystems', 'modprobe overlay'),
    ...(outer === null ? diskToolChecks() : []),
    check(
      'Landlock (steps are isolated from each other)',
      landlockIsOn(),
      readOr('/sys/kernel/security/lsm', 'the kernel is new enough; the guarantees below are the proof').trim(),
      'Boot with landlock in lsm=, kernel 5.13 or newer',
    ),
  ]
}

const NEWER_KERNEL = 'Install a newer kernel, e.g. from backports'

/** Root's disks are files. */
function diskToolChecks(): Check[] {
  return [
    check('ext4', readOr('/proc/filesystems', '').includes('ext4'), 'in /proc/filesystems', 'modprobe ext4'),
    check('loop devices', existsSync('/dev/loop-control'), '/dev/loop-control', 'modprobe loop'),
    check(
      'mke2fs',
      ['/usr/sbin/mke2fs', '/sbin/mke2fs', '/usr/bin/mke2fs'].some((path) => existsSync(path)),
      'e2fsprogs',
      'Install the package e2fsprogs',
    ),
  ]
}

/** Why an ordinary user is none in a namespace of its own: what the user namespace would be made with says it. */
function rootCheck(root: boolean): Check {
  if (root) return { name: 'root', ok: true, required: true, found: 'yes', fix: null }
  try {
    inspectIds()
    return { name: 'root', ok: false, required: true, found: 'no', fix: 'Run Sallyport with sudo; jobs never get root of this host' }
  } catch (error) {
    const hint = error instanceof SandboxError ? (error.hint ?? null) : null
    return { name: 'root, or subordinate ids', ok: false, required: true, found: messageOf(error), fix: hint }
  }
}

function subordinateCheck({ slots, ids }: OuterNamespace): Check {
  return { name: 'subordinate ids (no root)', ok: true, required: true, found: `${slots} jobs at once, ${ids} ids each`, fix: null }
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
