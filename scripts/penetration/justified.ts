// SPDX-License-Identifier: Apache-2.0
// What the checklist says of a default job, one line for each thing that it names, and why each line remains. A line without a reason fails the test.
import type { Posture, Verdict } from './run-checklist.ts'

/** `kind: what`, sorted. What is absent (no socket, no token, no device) is no line. */
export function linesOf(posture: Posture, verdict: Verdict): readonly string[] {
  const { capabilities, mounts, namespaces, security, network, credentials, runtime, writable_paths, available_tools } = posture
  const rest = { network, credentials, runtime, gpu: posture['gpu'], kubernetes: posture['kubernetes'] }
  const lines = [
    ...verdict.matched.map(({ id, severity, name }) => `technique: ${id} (${severity}): ${name}`),
    ...[...new Set(Object.values(capabilities).flat())].map((name) => `capability: ${name}`),
    ...mounts.map(({ destination, fstype, options }) => `mount: ${mountKind(destination, fstype, options)}`),
    ...Object.entries(namespaces).map(([name, isOwn]) => `namespace: ${name} ${isOwn ? 'own' : 'SHARED'}`),
    ...Object.entries(security).flatMap(([name, value]) => (value === null ? [] : [`security: ${name} ${value}`])),
    ...writable_paths.map((path) => `writable: ${path}`),
    ...available_tools.map((name) => `tool: ${name}`),
    ...Object.entries(rest).flatMap(([section, values]) => present(section, values)),
  ]
  return [...new Set(lines)].sort()
}

/** Many mounts are alike: what a thief would look at is the kind, and whether devices and set-user-id files count. */
function mountKind(destination: string, fstype: string, options: readonly string[]): string {
  const has = (option: string): string => (options.includes(option) ? option : `WITHOUT ${option}`)
  const access = options.includes('ro') ? 'ro' : 'rw'
  const place = fstype === 'tmpfs' && /^\/(proc|sys)\//.test(destination) ? 'mask below /proc or /sys' : destination
  return `${fstype} ${access} ${has('nosuid')} ${has('nodev')} at ${place}`
}

function present(section: string, values: unknown): string[] {
  if (typeof values !== 'object' || values === null) return []
  return Object.entries(values).flatMap(([key, value]) => {
    if (Array.isArray(value)) return value.map((each) => `${section}: ${key} ${String(each)}`)
    if (value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0)) return []
    return [`${section}: ${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`]
  })
}

export interface Justification {
  readonly line: RegExp
  readonly why: string
}

export const JUSTIFICATIONS: readonly Justification[] = [
  {
    line: /^technique: cve_2025_(31133|52565|52881) /,
    why: "goes by the version of the runc program that lies in `/usr/bin`, which a job can read. These are races in `runc create` and `runc exec` against code that runs in the container meanwhile: here `runc create` ends before any code of a job exists, steps are not started by runc, and no console is asked for. `sallyport doctor --host` says whether the host's package has the fixes",
  },
  {
    line: /^capability: CAP_(CHOWN|DAC_OVERRIDE|FOWNER|FSETID|KILL|SETGID|SETUID)$/,
    why: "counts for the job's own ids in its own user namespace alone (G1, G6): no id of the host is among them",
  },
  {
    line: /^mount: (overlay|ext4|tmpfs|devpts) r[wo] nosuid nodev at /,
    why: "the job's own disk, or a tmpfs of its own with a size: no device and no set-user-id file counts there (G4)",
  },
  {
    line: /^mount: devtmpfs .* at \/dev\/(null|zero|full|random|urandom|tty)$|^mount: tmpfs r[wo] nosuid WITHOUT nodev at \/dev\/(null|zero|full|random|urandom|tty)$/,
    why: 'one of the six device nodes of a job, each bound by itself (G4)',
  },
  {
    line: /^mount: devtmpfs \S+ (nosuid|WITHOUT nosuid) (nodev|WITHOUT nodev) at \/(proc|sys)\//,
    why: 'the null device over a file of the kernel: what masks it (G5)',
  },
  {
    line: /^mount: devpts r[wo] nosuid WITHOUT nodev at \/dev\/pts$/,
    why: "terminals are device nodes: an instance of the job's own, 256 at most",
  },
  { line: /^mount: tmpfs r[wo] .* at mask below \/proc or \/sys$/, why: 'an empty directory over one of the kernel: what masks it (G5)' },
  {
    line: /^mount: (proc|sysfs|mqueue) r[wo] nosuid nodev at /,
    why: "of the job's own namespaces; settings in it are read-only, and what tells about the host is covered (G5)",
  },
  {
    line: /^mount: (ext4|xfs|btrfs|overlay|erofs) ro (nosuid|WITHOUT nosuid) (nodev|WITHOUT nodev) at \/run\/sallyport\/node$/,
    why: 'the Node that actions run with: one file, read-only',
  },
  { line: /^namespace: (pid|net|mnt|user|uts|ipc|cgroup) own$/, why: 'a wall (G1 to G8), no gap' },
  { line: /^security: seccomp filtering$/, why: 'a wall (G7), no gap' },
  { line: /^security: (apparmor|selinux) /, why: "the host's label, where it has one: a further wall" },
  {
    line: /^writable: \/dev$/,
    why: "a tmpfs of the job's own, 64 MiB of its memory; a device node cannot be made in it: no CAP_MKNOD, `nodev`, and the device cgroup",
  },
  { line: /^writable: \/dev\/shm$/, why: "a tmpfs of the job's own, 1 GiB at most, of its memory" },
  {
    line: /^writable: \/proc\/self\/fd$/,
    why: 'the descriptors of the process itself; the step begins with 0 to 2 alone, a pipe and null',
  },
  { line: /^tool: /, why: "a program below `/usr` of the host, or of its image: it runs with the job's rights, and no more" },
  { line: /^network: interfaces (lo|eth0)$/, why: 'the loopback, and the one link, which leads to the gate (G3)' },
  { line: /^runtime: runtime unknown$/, why: 'the checklist does not know Sallyport' },
  { line: /^runtime: pid_one \S+$/, why: "the sandbox's own first process (G2)" },
  {
    line: /^runtime: runc_version /,
    why: "what `/usr/bin/runc --version` prints: versions of the host's programs can be read (G4, remains)",
  },
]

export interface Judged {
  readonly line: string
  /** Null: nobody has said why it may remain. */
  readonly why: string | null
}

export function judgeLines(lines: readonly string[]): readonly Judged[] {
  return lines.map((line) => ({ line, why: JUSTIFICATIONS.find((justification) => justification.line.test(line))?.why ?? null }))
}
