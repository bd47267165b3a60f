// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import type { Guarantee, StepWalls } from '@sallyport/sandbox'
import type { SourcePatch } from '../compile.spawn.ts'
import { GVISOR_WALLS, type GvisorWallName } from './gvisor-walls.ts'
import {
  addMount,
  all,
  bind,
  changeLinux,
  type OciChange,
  type OciMount,
  replaceMount,
  withoutKey,
  withoutLinux,
  withoutNamespace,
  withoutResource,
} from './oci-config.ts'

/** One wall, as the way to take it out. */
export interface Wall {
  /** What the walls of this name promise together; empty for one that the self-check has no name for. */
  readonly guarantees: readonly Guarantee[]
  /** What is left when it is gone, for the matrix. */
  readonly without: string
  readonly bundle?: OciChange
  readonly step?: (walls: StepWalls) => StepWalls
  readonly helper?: readonly SourcePatch[]
  /** The one driver that has it; absent: runc's and crun's, and what is left of it under gVisor says `UNDER_GVISOR`. */
  readonly driver?: 'gvisor'
}

/** `return ALLOW`: a filter that lets everything through. */
const ALLOW_ALL = Buffer.from([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])

/** All that this process has itself: a container's root may lack some. */
function everyCapability(): bigint {
  return BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`)
}

/** More than any limit that a test asks for, and still bounded: the disposable box's own caps hold. */
const BIG_DISK = 'size=1g'
const MANY_INODES = 'nr_inodes=400000'

const patch = (file: string, find: string, replace: string): SourcePatch => ({ file, find, replace })

/** A tmpfs in the place of the job's disk. */
function otherDisk(options: string): SourcePatch {
  return patch(
    'keeper-disk.c',
    'mount_or_fail(device, DISK, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "noinit_itable,nobarrier,errors=continue");',
    `mount_or_fail("disk", DISK, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, "${options}");`,
  )
}

// Outside of a user namespace the runtime makes the device nodes itself, where it would bind the host's.
const OWN_DEVICES: OciMount = {
  destination: '/dev',
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'noexec', 'mode=755', 'size=65536k'],
}

const HOST_SYS = replaceMount('/sys', bind('/sys', '/sys', ['nosuid', 'noexec', 'nodev', 'ro']))

/** Files of the box, by the place where a job would look for them. */
const HOST_FILES: Readonly<Record<string, string>> = {
  '/root': '/root',
  '/home/somebody-else': '/home/somebody-else',
  '/etc/shadow': '/var/lib/planted-shadow',
  '/var/run/docker.sock': '/run/docker.sock',
  '/var/lib/sallyport-canary': '/var/lib/sallyport-canary',
}

function makeWritable(mount: OciMount): OciMount {
  return mount.type === 'bind' ? { ...mount, options: mount.options.map((option) => (option === 'ro' ? 'rw' : option)) } : mount
}

function honourFiles(mount: OciMount): OciMount {
  const isOwn = mount.destination === '/dev/shm' || mount.destination === '/run'
  return isOwn ? { ...mount, options: mount.options.filter((option) => option !== 'nosuid' && option !== 'nodev') } : mount
}

export type WallName =
  | 'user-namespace'
  | 'pid-namespace'
  | 'mount-namespace'
  | 'network'
  | 'ipc-namespace'
  | 'uts-namespace'
  | 'cgroup-namespace'
  | 'capabilities'
  | 'no-new-privileges'
  | 'seccomp'
  | 'masked-paths'
  | 'read-only-kernel'
  | 'host-files-hidden'
  | 'devices'
  | 'nosuid-nodev'
  | 'memory-limit'
  | 'pids-limit'
  | 'cpu-limit'
  | 'disk-limit'
  | 'inode-limit'
  | 'open-files-limit'
  | 'no-core-dumps'
  | 'init-protected'
  | 'own-files-read-only'
  | 'step-domain'
  | 'step-signal-scope'
  | 'step-mount-namespace'
  | 'step-descriptors'
  | 'step-keyring'
  | 'cgroup-kill'
  | 'undumpable-entry'
  | GvisorWallName

export const WALLS: Readonly<Record<WallName, Wall>> = {
  ...GVISOR_WALLS,
  'user-namespace': {
    guarantees: ['user-namespace'],
    without: "the job's root is the surrounding root",
    bundle: all(withoutNamespace('user'), withoutLinux('uidMappings'), withoutLinux('gidMappings'), replaceMount('/dev', OWN_DEVICES)),
    helper: [
      patch('keeper-slot.c', '#define ID_BASE 0x70000000u', '#define ID_BASE 0u'),
      patch('enter.c', ' || request.uid < 65536)', ')'),
      patch('enter.c', 'const int all = CLONE_NEWUSER | ', 'const int all = '),
    ],
  },
  'pid-namespace': {
    guarantees: ['pid-namespace'],
    without: 'the job sees and lives among the surrounding processes',
    bundle: all(withoutNamespace('pid'), replaceMount('/proc', bind('/proc', '/proc', ['nosuid', 'noexec', 'nodev']))),
  },
  'mount-namespace': {
    guarantees: ['mount-namespace'],
    without: 'a directory of the surroundings is mounted writable',
    bundle: addMount(bind('/var/lib/writable', '/srv', ['rw', 'nosuid', 'nodev'])),
  },
  network: {
    guarantees: ['network'],
    without: "the job is in the surrounding network namespace, and /sys is the surroundings'",
    bundle: all(withoutNamespace('network'), withoutLinux('sysctl'), HOST_SYS),
  },
  'ipc-namespace': {
    guarantees: ['ipc-namespace'],
    without: 'the job shares shared memory, semaphores and queues with the surroundings',
    bundle: all(withoutNamespace('ipc'), replaceMount('/dev/mqueue', null)),
  },
  'uts-namespace': {
    guarantees: ['uts-namespace'],
    without: "the host's name is the job's",
    bundle: all(withoutNamespace('uts'), withoutKey('hostname')),
  },
  'cgroup-namespace': {
    guarantees: ['cgroup-namespace'],
    without: "paths of the surroundings' cgroups are told",
    bundle: withoutNamespace('cgroup'),
  },
  capabilities: {
    guarantees: ['capabilities'],
    without: 'every capability within the user namespace',
    step: (walls) => ({ ...walls, capabilities: everyCapability() }),
  },
  'no-new-privileges': {
    guarantees: ['no-new-privileges'],
    without: 'set-user-id files and file capabilities count',
    // Without no_new_privs only a capability lets a process install a filter: it does so before it drops them.
    helper: [
      patch('enter.c', 'if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("no_new_privs");', ''),
      patch('enter.c', '  drop_capabilities();\n  install_filter();', '  install_filter();\n  drop_capabilities();'),
    ],
  },
  seccomp: {
    guarantees: ['seccomp'],
    without: 'every system call is let through',
    bundle: withoutLinux('seccomp'),
    step: (walls) => ({ ...walls, seccomp: ALLOW_ALL }),
  },
  'masked-paths': {
    guarantees: ['masked-paths'],
    without: "the kernel's files about the machine are open as far as their modes go",
    bundle: changeLinux((linux) => ({ ...linux, maskedPaths: [] })),
  },
  'read-only-kernel': {
    guarantees: ['read-only-kernel'],
    without: '/proc/sys, /proc/sysrq-trigger and the like are writable as far as their modes go',
    bundle: changeLinux((linux) => ({ ...linux, readonlyPaths: [] })),
  },
  'host-files-hidden': {
    guarantees: ['host-files-hidden'],
    without: "files and sockets of the surroundings are in the job's tree",
    bundle: all(...Object.entries(HOST_FILES).map(([path, source]) => addMount(bind(source, path, ['ro', 'nosuid', 'nodev'])))),
  },
  devices: {
    guarantees: ['devices'],
    without: "the surroundings' devices are in the job's tree, and the device cgroup lets them be used",
    bundle: all(
      changeLinux((linux) => ({ ...linux, resources: { ...linux.resources, devices: [{ allow: true, access: 'rwm' }] } })),
      addMount(bind('/var/lib/devices', '/dev/planted', ['rw', 'nosuid'])),
    ),
  },
  'nosuid-nodev': {
    guarantees: ['nosuid-nodev'],
    without: "the job's disk, its layers and its tmpfs mounts honour set-user-id files, file capabilities and device nodes",
    bundle: (config) => ({ ...config, mounts: config.mounts.map(honourFiles) }),
    helper: [
      patch(
        'keeper-mounts.c',
        'mount_on("overlay", layer->target, "overlay", MS_NOSUID | MS_NODEV | MS_NOATIME, options);',
        'mount_on("overlay", layer->target, "overlay", MS_NOATIME, options);',
      ),
      patch('keeper-mounts.c', 'MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOATIME', 'MS_BIND | MS_REMOUNT | MS_NOATIME'),
      patch(
        'keeper-disk.c',
        'mount_or_fail(device, DISK, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME',
        'mount_or_fail(device, DISK, "ext4", MS_NOATIME',
      ),
    ],
  },
  'memory-limit': { guarantees: ['memory-limit'], without: "only the surroundings' memory is a limit", bundle: withoutResource('memory') },
  'pids-limit': { guarantees: ['pids-limit'], without: "only the surroundings' pids are a limit", bundle: withoutResource('pids') },
  'cpu-limit': { guarantees: ['cpu-limit'], without: 'every processor for as long as it likes', bundle: withoutResource('cpu') },
  'disk-limit': {
    guarantees: ['disk-limit'],
    without: 'another disk, sixteen times as large',
    helper: [otherDisk(`${BIG_DISK},nr_inodes=8192`)],
  },
  'inode-limit': {
    guarantees: ['inode-limit'],
    without: 'another disk, with many more inodes',
    helper: [otherDisk(`size=60m,${MANY_INODES}`)],
  },
  'open-files-limit': {
    guarantees: ['open-files-limit'],
    without: 'as many open files as the supervisor may have',
    helper: [patch('enter.c', 'if (setrlimit(RLIMIT_NOFILE, &files) != 0) refuse("RLIMIT_NOFILE");', '(void)files;')],
  },
  'no-core-dumps': {
    guarantees: ['no-core-dumps'],
    without: 'the hard limit of core files is what the supervisor has',
    helper: [patch('enter.c', 'if (setrlimit(RLIMIT_CORE, &none) != 0) refuse("RLIMIT_CORE");', '(void)none;')],
  },
  'init-protected': {
    guarantees: ['init-protected'],
    without: 'PID 1 is dumpable',
    helper: [patch('init.c', 'prctl(PR_SET_DUMPABLE, 0)', 'prctl(PR_SET_DUMPABLE, 1)')],
  },
  'own-files-read-only': {
    guarantees: [],
    without: 'our helper, and what the host offers read-only, are mounted writable',
    bundle: (config) => ({ ...config, mounts: config.mounts.map(makeWritable) }),
  },
  'step-domain': {
    guarantees: ['step-memory-isolation'],
    without: 'all steps, and PID 1, are in no Landlock domain',
    helper: [
      patch(
        'landlock.c',
        'return restrict_self(abi >= ABI_SCOPE ? scoped_ruleset() : legacy_ruleset(abi)) == 0 ? abi : -1;',
        '(void)restrict_self, (void)scoped_ruleset, (void)legacy_ruleset;\n  return abi;',
      ),
    ],
  },
  'step-signal-scope': {
    guarantees: ['step-signal-isolation'],
    without: "a step's Landlock domain lets signals out",
    helper: [
      patch('landlock.c', 'abi >= ABI_SCOPE ? scoped_ruleset() : legacy_ruleset(abi)', 'abi >= 0 ? legacy_ruleset(abi) : scoped_ruleset()'),
    ],
  },
  'step-mount-namespace': {
    guarantees: ['step-private-files'],
    without: "a step's private files are mounted where every step sees them",
    helper: [patch('enter.c', 'if (unshare(CLONE_NEWNS) != 0) refuse("unshare the step\'s mount namespace");', '')],
  },
  'step-descriptors': {
    guarantees: [],
    without: 'what the warden has open without close-on-exec stays open',
    helper: [patch('enter.c', 'if (syscall(SYS_close_range, 4, ~0u, 0) != 0) refuse("close_range");', '')],
  },
  'step-keyring': {
    guarantees: [],
    without: "a step has its supervisor's session keyring",
    helper: [patch('enter.c', '(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);', '')],
  },
  'cgroup-kill': {
    guarantees: [],
    without: "at the end of a job its cgroups' members are not killed",
    helper: [
      patch(
        'keeper-cgroups.c',
        'static void kill_cgroup(const char *directory) {',
        'static void kill_cgroup(const char *directory) {\n  if (directory) return;',
      ),
      patch('keeper-cgroups.c', 'attempt < 2000; attempt++) {\n    left = 0;', 'attempt < 20; attempt++) {\n    left = 0;'),
    ],
  },
  'undumpable-entry': {
    guarantees: [],
    without: 'the process that becomes a step is dumpable on its way in',
    // The change of user has the same effect: it is taken back after it.
    helper: [
      patch('enter.c', 'prctl(PR_SET_DUMPABLE, 0) != 0 || ', ''),
      patch('enter.c', 'if (setsid() < 0) refuse("setsid");', 'if (setsid() < 0 || prctl(PR_SET_DUMPABLE, 1) != 0) refuse("setsid");'),
    ],
  },
}
