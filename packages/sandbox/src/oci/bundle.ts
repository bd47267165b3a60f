// SPDX-License-Identifier: Apache-2.0
import type { SandboxSpec } from '../contract.ts'
import { SANDBOX_PATHS } from '../contract.ts'
import type { OciSeccomp } from '../seccomp/index.ts'

/** Where the keeper's mount namespace has the bundle; see native/src/keeper.c. */
export const BOX_DIRECTORY = '/run/sallyport/box'

/** Ids 0 to 65535 of the sandbox are `base` to `base + 65535` of the host. */
export const ID_COUNT = 65_536

export interface BundleInput {
  readonly spec: SandboxSpec
  /** First host id of the sandbox's own range. */
  readonly idBase: number
  /** Default: {@link ID_COUNT}. */
  readonly idCount?: number
  /** False: the keeper makes the job's cgroup, if any, and we set its limits. */
  readonly limits?: boolean
  /** Null: without root, where the runtime makes no cgroup. */
  readonly cgroupPath: string | null
  readonly seccomp: OciSeccomp
  /** Whether our own `sudo` is mounted. */
  readonly hasSudo: boolean
}

interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/**
 * The OCI runtime configuration (runtime-spec 1.0) of a sandbox's PID 1, as plain data. Steps do not come from it: they
 * enter what it builds. PID 1 gets no capability at all.
 */
export function buildBundle(input: BundleInput): Readonly<Record<string, unknown>> {
  const { spec, idCount = ID_COUNT } = input
  return {
    ociVersion: '1.0.2',
    root: { path: 'rootfs', readonly: spec.rootfs === 'read-only' },
    hostname: spec.hostname,
    process: INIT_PROCESS,
    mounts: [...KERNEL_MOUNTS, ...ownMounts(input)],
    linux: {
      uidMappings: [{ containerID: 0, hostID: input.idBase, size: idCount }],
      gidMappings: [{ containerID: 0, hostID: input.idBase, size: idCount }],
      // The user namespace is the keeper's making, so that what is counted against its maker is not counted against the host's root.
      namespaces: [
        ...['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
        { type: 'user', path: `${BOX_DIRECTORY}/user` },
      ],
      ...(input.cgroupPath !== null && { cgroupsPath: input.cgroupPath }),
      ...(input.limits !== false && { resources: resources(spec) }),
      rootfsPropagation: 'rprivate',
      // A build may listen on low ports without a capability: the network namespace is its own.
      sysctl: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
      seccomp: input.seccomp,
    },
  }
}

const INIT_PROCESS: Readonly<Record<string, unknown>> = {
  terminal: false,
  user: { uid: 0, gid: 0 },
  args: [SANDBOX_PATHS.helper, 'init'],
  env: [],
  cwd: '/',
  noNewPrivileges: true,
  capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
  // No limits: PID 1 inherits the keeper's (no core dumps), each step sets its own. To set them the runtime would need CAP_SYS_RESOURCE, which
  // the root of many a container lacks.
}

export const CPU_PERIOD_US = 100_000

/** Microseconds of each period. */
export function cpuQuota(cpu: number): number {
  return Math.max(1000, Math.round(cpu * CPU_PERIOD_US))
}

function resources(spec: SandboxSpec): Readonly<Record<string, unknown>> {
  const { limits } = spec
  return {
    devices: [{ allow: false, access: 'rwm' }],
    memory: { limit: limits.memoryBytes, swap: limits.memorySwapBytes },
    pids: { limit: limits.pids },
    cpu: { period: CPU_PERIOD_US, quota: cpuQuota(limits.cpu) },
  }
}

const KERNEL_MOUNTS: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'strictatime', 'mode=755', 'size=65536k'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5', 'max=256'],
  },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'nodev', 'mode=1777', 'size=1073741824'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  { destination: '/run', type: 'tmpfs', source: 'run', options: ['nosuid', 'nodev', 'mode=755', 'size=67108864', 'nr_inodes=65536'] },
]

const READ_ONLY_BIND = ['bind', 'ro', 'nosuid', 'nodev', 'rprivate'] as const

function ownMounts({ spec, hasSudo }: BundleInput): OciMount[] {
  const bind = (source: string, destination: string): OciMount => ({ destination, type: 'bind', source, options: READ_ONLY_BIND })
  return [
    // A mount of its own, read-only: under a writable /run the job could rename it away and put its own helper and Node in its place.
    { destination: SANDBOX_PATHS.own, type: 'tmpfs', source: 'sallyport', options: ['nosuid', 'nodev', 'ro', 'mode=755', 'size=65536'] },
    // The step's private tmpfs is mounted over this one, in each step's own mount namespace. Read-only and empty for everything else.
    {
      destination: SANDBOX_PATHS.step,
      type: 'tmpfs',
      source: 'step',
      options: ['nosuid', 'nodev', 'noexec', 'ro', 'mode=700', 'size=4096'],
    },
    bind(`${BOX_DIRECTORY}/helper`, SANDBOX_PATHS.helper),
    ...(spec.nodeBinary === null ? [] : [bind(spec.nodeBinary, SANDBOX_PATHS.node)]),
    // `sudo` is the helper: the host's would need a setuid bit, which no mount honours. A read-only root, and some images, have no place for it.
    ...(hasSudo ? [bind(`${BOX_DIRECTORY}/helper`, '/usr/bin/sudo')] : []),
    ...spec.readOnlyBinds.map(({ source, target }) => bind(source, target)),
  ]
}

/** Kernel files that tell about the host, or that reach it; covered by an empty file or directory. */
const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/buddyinfo',
  '/proc/cmdline',
  '/proc/config.gz',
  '/proc/consoles',
  '/proc/diskstats',
  '/proc/driver',
  '/proc/dynamic_debug',
  '/proc/interrupts',
  '/proc/iomem',
  '/proc/ioports',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/key-users',
  '/proc/keys',
  '/proc/kmsg',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/latency_stats',
  '/proc/mdstat',
  '/proc/modules',
  '/proc/pagetypeinfo',
  '/proc/partitions',
  '/proc/pressure',
  '/proc/sched_debug',
  '/proc/schedstat',
  '/proc/scsi',
  '/proc/slabinfo',
  '/proc/softirqs',
  '/proc/swaps',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/vmallocinfo',
  '/proc/zoneinfo',
  '/sys/block',
  '/sys/bus/pci',
  '/sys/bus/usb',
  '/sys/class/block',
  '/sys/class/hwmon',
  '/sys/class/nvme',
  '/sys/class/power_supply',
  '/sys/class/thermal',
  '/sys/dev/block',
  '/sys/devices/virtual/dmi',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/bpf',
  '/sys/hypervisor',
  '/sys/kernel/boot_params',
  '/sys/kernel/debug',
  '/sys/kernel/notes',
  '/sys/kernel/security',
  '/sys/kernel/tracing',
  '/sys/kernel/vmcoreinfo',
  '/sys/module',
]

const READ_ONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/mtrr', '/proc/sys', '/proc/sysrq-trigger']
