// SPDX-License-Identifier: Apache-2.0
// Walls that only a sandbox of gVisor has (native/src/inside.c), and what each of the others is there.
import type { Wall, WallName } from './walls.ts'

export type GvisorWallName = 'gvisor-pid-namespace' | 'gvisor-mount-namespace' | 'gvisor-own-network' | 'gvisor-devices-read-only'

const patch = (find: string, replace: string): { file: string; find: string; replace: string } => ({ file: 'inside.c', find, replace })

export const GVISOR_WALLS: Readonly<Record<GvisorWallName, Wall>> = {
  'gvisor-pid-namespace': {
    driver: 'gvisor',
    guarantees: ['step-memory-isolation', 'step-signal-isolation'],
    without: 'all steps are in one pid namespace',
    helper: [patch('if (unshare(CLONE_NEWPID) != 0) failed("unshare the step\'s pid namespace", errno);', '')],
  },
  'gvisor-mount-namespace': {
    driver: 'gvisor',
    guarantees: ['step-private-files'],
    without: 'all steps are in one mount namespace',
    helper: [
      patch('if (unshare(CLONE_NEWNS) != 0) failed("unshare the step\'s mount namespace", errno);', ''),
      patch(
        'if (mount_namespace() == before) failed("this runsc has no mount namespaces: a newer one is needed", ENOSYS);',
        '(void)before;',
      ),
      // In one namespace each would take the others' away.
      patch('  make_proc();', '  (void)make_proc;'),
    ],
  },
  'gvisor-own-network': {
    driver: 'gvisor',
    guarantees: [],
    without: 'a step without a network is in the network namespace of those that have one',
    helper: [patch('if (request.no_network) leave_network();', '(void)leave_network;')],
  },
  'gvisor-devices-read-only': {
    driver: 'gvisor',
    guarantees: [],
    without: 'the directory of devices, which all steps share, is writable',
    helper: [patch('if (strcmp(point, "/dev") == 0) flags |= MS_RDONLY;', '')],
  },
}

/** What stands under gVisor in the place of each wall of the other drivers, for the matrix. */
export const UNDER_GVISOR: Readonly<Record<Exclude<WallName, GvisorWallName>, string>> = {
  'user-namespace': 'around its kernel, by the host',
  'pid-namespace': 'its own kernel: the host has no process of the job; around its kernel, by the host',
  'mount-namespace': 'the same; around its kernel, by the host',
  network: "its own network stack; the end of the link is the host's, with the rules of the gate",
  'ipc-namespace': 'its own kernel; around its kernel, by the host',
  'uts-namespace': 'its own kernel; around its kernel, by the host',
  'cgroup-namespace': 'its own kernel, which has cgroups of its own',
  capabilities: 'the same, kept by its own kernel',
  'no-new-privileges': 'the same, kept by its own kernel; around its kernel, by the host',
  seccomp: "the same filter and one rule more, kept by its own kernel; around its kernel runsc's filter, by the host",
  'masked-paths': 'its own kernel has no such files, or ones that tell nothing of the host',
  'read-only-kernel': "the same, in each step's own /proc",
  'host-files-hidden': 'the same',
  devices: "its own kernel's devices, without a tunnel and user file systems",
  'nosuid-nodev': "the same, set anew in each step's mount namespace",
  'memory-limit': 'the same, on the whole sandbox: at the limit all of it ends',
  'pids-limit': "its own kernel's; behind it the host's, on three times as many",
  'cpu-limit': 'the same',
  'disk-limit': 'the same',
  'inode-limit': 'the same',
  'open-files-limit': 'the same, kept by its own kernel',
  'no-core-dumps': 'the same, kept by its own kernel',
  'init-protected': 'not dumpable, by its own kernel; and by the filter, which lets nothing name process 1',
  'own-files-read-only': 'the same',
  'step-domain': 'none: gvisor-pid-namespace instead',
  'step-signal-scope': 'none: gvisor-pid-namespace instead',
  'step-mount-namespace': 'none: gvisor-mount-namespace instead',
  'step-descriptors': 'the same',
  'step-keyring': 'its own kernel has no keys',
  'cgroup-kill': 'the same',
  'undumpable-entry': 'the same, and the process is in no pid namespace of a step',
}
