// SPDX-License-Identifier: Apache-2.0
import type { ArgumentSwitch, ConditionalGroup, Decision } from './model.ts'

/** What the kernel reads of an `int` or `unsigned int`; the upper half of the register may hold anything. */
export const INT = 0xffff_ffffn

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. Not CLONE_NEWTIME: its bit lies within clone's exit signal, where it means nothing. */
export const CLONE_NEW_ANY = 0x7e02_0000n
/** Makes the new process a child of the caller's parent: for a step's first process that is ours, on the host. */
export const CLONE_PARENT = 0x8000n
/** A thread of the caller's own process. */
export const CLONE_THREAD = 0x1_0000n

const S_IFMT = 0o170000n
const S_IFREG = 0o100000n
const S_IFIFO = 0o010000n
const S_IFSOCK = 0o140000n

const AF_UNIX = 1n
const AF_INET = 2n
const AF_INET6 = 10n
const AF_NETLINK = 16n
/** The rest of the type argument is SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCK_TYPE_MASK = 0xfn
const SOCK_STREAM = 1n
const SOCK_DGRAM = 2n
const SOCK_RAW = 3n
const SOCK_SEQPACKET = 5n
const IPPROTO_TCP = 6n
const IPPROTO_UDP = 17n
const NETLINK_ROUTE = 0n

const TIOCSTI = 0x5412n
const TIOCLINUX = 0x541cn
const PR_SET_MM = 35n
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8n
const PERSONALITIES = [0n, 0x0008n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn]

/** The values of one argument that are allowed; everything else is answered with `otherwise`. */
export function only(
  argument: ArgumentSwitch['argument'],
  mask: bigint,
  values: readonly bigint[],
  otherwise: Decision = 'EPERM',
): ArgumentSwitch {
  return { argument, mask, cases: [{ values, then: 'allow' }], otherwise }
}

/** The values of one argument that are refused with EPERM. */
export function allBut(argument: ArgumentSwitch['argument'], mask: bigint, values: readonly bigint[]): ArgumentSwitch {
  return { argument, mask, cases: [{ values, then: 'EPERM' }], otherwise: 'allow' }
}

const UNIX_TYPES = only(1, SOCK_TYPE_MASK, [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])

// The answers are those of a kernel without the family or protocol, which programs expect: `useradd` and `passwd`, which package
// scripts run, go on without audit after EPROTONOSUPPORT and give up after EPERM; Go falls back from MPTCP to TCP.
export const TCP_AND_UDP: ArgumentSwitch['cases'][number] = {
  values: [AF_INET, AF_INET6],
  then: {
    argument: 1,
    mask: SOCK_TYPE_MASK,
    cases: [
      { values: [SOCK_STREAM], then: only(2, INT, [0n, IPPROTO_TCP], 'EPROTONOSUPPORT') },
      { values: [SOCK_DGRAM], then: only(2, INT, [0n, IPPROTO_UDP], 'EPROTONOSUPPORT') },
    ],
    otherwise: 'EPERM',
  },
}

const SOCKET: ArgumentSwitch = {
  argument: 0,
  mask: INT,
  cases: [
    { values: [AF_UNIX], then: UNIX_TYPES },
    TCP_AND_UDP,
    {
      values: [AF_NETLINK],
      then: {
        argument: 1,
        mask: SOCK_TYPE_MASK,
        cases: [{ values: [SOCK_RAW, SOCK_DGRAM], then: only(2, INT, [NETLINK_ROUTE], 'EPROTONOSUPPORT') }],
        otherwise: 'EPERM',
      },
    },
  ],
  otherwise: 'EAFNOSUPPORT',
}

const FILE_TYPES = [0n, S_IFREG, S_IFIFO, S_IFSOCK]

export const CONDITIONAL: readonly ConditionalGroup[] = [
  {
    calls: ['clone'],
    why: "Processes and threads; a namespace of its own would give the job capabilities in it, and with them most of the kernel that bugs are found in. A process whose parent is outside the sandbox would be nobody's to reap, and PID 1 could not end before it.",
    refused: 'any CLONE_NEW* flag, and CLONE_PARENT',
    decision: only(0, CLONE_NEW_ANY | CLONE_PARENT, [0n]),
  },
  {
    calls: ['socket'],
    why: 'Unix sockets (Node starts processes with them), TCP and UDP over IPv4 and IPv6, reading interfaces and routes over netlink.',
    refused:
      'raw and packet sockets, other protocols (SCTP, MPTCP, ICMP), netlink but NETLINK_ROUTE, other families (VSOCK reaches a hypervisor, ALG and XDP rarely used kernel code)',
    decision: SOCKET,
  },
  {
    calls: ['socketpair'],
    why: 'Pipes in both directions between processes.',
    refused: 'other families than AF_UNIX',
    decision: { argument: 0, mask: INT, cases: [{ values: [AF_UNIX], then: UNIX_TYPES }], otherwise: 'EAFNOSUPPORT' },
  },
  {
    calls: ['ioctl'],
    why: 'Terminals, file attributes, copy on write.',
    refused: 'TIOCSTI and TIOCLINUX, which type into a terminal that somebody else reads',
    decision: allBut(1, INT, [TIOCSTI, TIOCLINUX]),
  },
  {
    calls: ['personality'],
    why: 'Builds for the 32-bit name of the machine (linux32), and old kernel version numbers (uname26).',
    refused: 'flags that weaken a process, such as ADDR_NO_RANDOMIZE and READ_IMPLIES_EXEC',
    decision: only(0, INT, PERSONALITIES),
  },
  {
    calls: ['prctl'],
    why: 'Thread names, parent-death signals, no_new_privs, dropping capabilities.',
    refused: 'PR_SET_MM, which forges what /proc tells about a process',
    decision: allBut(0, INT, [PR_SET_MM]),
  },
  {
    calls: ['prlimit64'],
    why: "A process's own resource limits: C libraries name it by 0.",
    refused:
      'any process by its id: one that an earlier step left behind could end a later step by its limit of CPU time, which no Landlock domain stops',
    decision: only(0, INT, [0n]),
  },
  {
    calls: ['seccomp'],
    why: 'A job may sandbox what it starts: a further filter only narrows.',
    refused: 'a listener, which would take the place of the one that watches the job',
    decision: only(1, SECCOMP_FILTER_FLAG_NEW_LISTENER, [0n]),
  },
  {
    calls: ['mknod'],
    why: 'Named pipes, sockets and plain files.',
    refused: 'device nodes',
    decision: only(1, S_IFMT, FILE_TYPES),
  },
  {
    calls: ['mknodat'],
    why: 'Named pipes, sockets and plain files.',
    refused: 'device nodes',
    decision: only(2, S_IFMT, FILE_TYPES),
  },
]
