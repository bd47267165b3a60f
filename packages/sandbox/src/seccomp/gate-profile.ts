// SPDX-License-Identifier: Apache-2.0
import { CLONE_NEW_ANY, CLONE_PARENT, CLONE_THREAD, INT, only, TCP_AND_UDP } from './argument-rules.ts'
import { names, type SeccompProfile } from './model.ts'

const FIONREAD = 0x541bn
const FIONBIO = 0x5421n
const PR_SET_NAME = 15n

/**
 * What a job's gate runs under: a Node process that moves bytes between sockets and does nothing else. Measured with Node 24 under strace; what
 * stands in no group is answered with ENOSYS.
 */
export const GATE_PROFILE: SeccompProfile = {
  allow: [
    {
      why: 'Reading and writing what is open.',
      calls: names('read write readv writev pread64 pwrite64 lseek close fcntl dup dup3 pipe2 eventfd2'),
    },
    {
      why: 'Reading its own program until it is ready; from then on there is no file.',
      calls: names('open openat access faccessat faccessat2 stat lstat fstat newfstatat statx readlink readlinkat getdents64 getcwd'),
    },
    {
      why: 'Sockets that exist; which ones can come into being is decided at socket().',
      calls: names(`bind listen accept accept4 connect getsockname getpeername sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg setsockopt
        getsockopt shutdown`),
    },
    {
      why: 'Waiting for several things.',
      calls: names('poll ppoll epoll_create1 epoll_ctl epoll_wait epoll_pwait'),
    },
    {
      why: 'Its own memory, that of compiled JavaScript included.',
      calls: names('brk mmap munmap mremap mprotect madvise membarrier pkey_alloc pkey_free pkey_mprotect'),
    },
    {
      why: 'Its own threads, and its own start: execve comes after the filter, and once its files are taken there is none to execute.',
      calls:
        names(`execve exit exit_group set_tid_address set_robust_list rseq futex restart_syscall arch_prctl sched_yield sched_getaffinity
        sched_getparam sched_getscheduler gettid getpid`),
    },
    {
      why: 'Its own signals; tgkill is how a C library aborts, and nobody else has its user id.',
      calls: names('rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack tgkill'),
    },
    {
      why: 'Who am I, what time is it, random numbers, how much memory there is.',
      calls:
        names(`getuid geteuid getgid getegid capget uname sysinfo getrusage getrandom clock_gettime clock_getres clock_nanosleep nanosleep
        gettimeofday time times`),
    },
  ],
  conditional: [
    {
      calls: ['clone'],
      why: 'Threads of V8 and libuv.',
      refused: 'everything but a thread: the gate never starts a process',
      decision: only(0, CLONE_NEW_ANY | CLONE_PARENT | CLONE_THREAD, [CLONE_THREAD]),
    },
    {
      calls: ['socket'],
      why: 'TCP and UDP over IPv4 and IPv6.',
      refused: 'every other family: above all Unix sockets, whose abstract names in the network namespace of the host lead to its services',
      decision: { argument: 0, mask: INT, cases: [TCP_AND_UDP], otherwise: 'EAFNOSUPPORT' },
    },
    {
      calls: ['ioctl'],
      why: 'Non-blocking sockets, and how much there is to read.',
      refused: 'every other request',
      decision: only(1, INT, [FIONBIO, FIONREAD]),
    },
    {
      calls: ['prctl'],
      why: 'Names of threads.',
      refused: 'every other option',
      decision: only(0, INT, [PR_SET_NAME]),
    },
    {
      calls: ['prlimit64'],
      why: 'Its own resource limits: C libraries name itself by 0.',
      refused: 'any process by its id',
      decision: only(0, INT, [0n]),
    },
  ],
  refuse: [
    {
      errno: 'ENOSYS',
      why: 'Its flags lie in memory, where a filter cannot read them; C libraries fall back to clone, whose flags it can.',
      calls: names('clone3'),
    },
    {
      errno: 'EPERM',
      why: 'What somebody who has taken the gate over would try first.',
      calls:
        names(`fork vfork execveat ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal kill mount umount2
        pivot_root chroot unshare setns bpf perf_event_open userfaultfd keyctl add_key request_key io_uring_setup io_uring_enter
        io_uring_register open_by_handle_at memfd_create socketpair`),
    },
  ],
}
