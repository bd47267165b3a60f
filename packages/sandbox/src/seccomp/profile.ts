// SPDX-License-Identifier: Apache-2.0
import { CONDITIONAL } from './argument-rules.ts'
import { type CallGroup, names, type RefusedGroup, type SeccompProfile } from './model.ts'

const ALLOW: readonly CallGroup[] = [
  {
    why: 'Reading, writing and moving bytes. splice, tee and vmsplice too: builds copy with them; where they were the way to a kernel bug (Dirty Pipe), the kernel has to be patched.',
    calls:
      names(`read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice tee vmsplice copy_file_range
      readahead fadvise64 fallocate ftruncate truncate fsync fdatasync sync syncfs sync_file_range`),
  },
  {
    why: 'Opening, naming and describing files; mounts are nosuid and nodev, and the kernel decides who may.',
    calls:
      names(`open openat openat2 creat close close_range dup dup2 dup3 fcntl flock access faccessat faccessat2 stat lstat fstat newfstatat
      statx statfs fstatfs getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat rename
      renameat renameat2 readlink readlinkat umask utime utimes futimesat utimensat`),
  },
  {
    why: 'Owners, modes and attributes. Set-user-id bits too: packages set them when they are installed, and no mount honours them.',
    calls: names(`chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr
      fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat file_getattr
      file_setattr`),
  },
  {
    why: 'What is mounted where, as /proc/self/mountinfo tells anyway; a handle is only a number, as open_by_handle_at is refused.',
    calls: names('statmount listmount name_to_handle_at'),
  },
  {
    why: 'Package tools change their root; without CAP_SYS_CHROOT the kernel refuses.',
    calls: names('chroot'),
  },
  {
    why: 'Waiting for several things.',
    calls: names(`poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
      signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime inotify_init inotify_init1 inotify_add_watch inotify_rm_watch pipe
      pipe2`),
  },
  {
    why: 'Sockets that exist; which ones can come into being is decided at socket().',
    calls: names(`bind listen accept accept4 connect getsockname getpeername sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg setsockopt
      getsockopt shutdown`),
  },
  {
    why: "A process's own memory.",
    calls: names(`brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall munlockall mseal map_shadow_stack
      memfd_create pkey_alloc pkey_free pkey_mprotect membarrier get_mempolicy`),
  },
  {
    why: 'Starting, waiting for and ending processes and threads.',
    calls:
      names(`fork vfork execve execveat exit exit_group wait4 waitid set_tid_address set_robust_list get_robust_list rseq futex futex_waitv
      futex_wait futex_wake futex_requeue restart_syscall pidfd_open pidfd_send_signal arch_prctl`),
  },
  {
    why: 'Signals; the process namespace and the Landlock domain of the step bound whom they reach.',
    calls:
      names(`kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo
      rt_sigreturn sigaltstack pause alarm getitimer setitimer`),
  },
  {
    why: 'Who am I, who is my parent; changes are bounded by the user namespace.',
    calls:
      names(`getpid getppid gettid getpgid getpgrp setpgid getsid setsid getuid geteuid getgid getegid getresuid getresgid getgroups setuid
      setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capget capset`),
  },
  {
    why: 'Scheduling and resource limits; raising them takes capabilities that a job lacks.',
    calls: names(`sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
      sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority ioprio_get
      ioprio_set getrlimit setrlimit getrusage times getcpu`),
  },
  {
    why: 'Telling the time and waiting.',
    calls:
      names(`time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep timer_create timer_delete timer_getoverrun timer_gettime
      timer_settime`),
  },
  {
    why: 'Facts about the machine, random numbers.',
    calls: names('uname sysinfo getrandom lsm_get_self_attr lsm_list_modules'),
  },
  {
    why: 'Shared memory, semaphores and queues within an IPC namespace of its own.',
    calls: names(`shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend
      mq_timedreceive mq_notify mq_getsetattr`),
  },
  {
    why: 'A job may restrict itself further.',
    calls: names('landlock_create_ruleset landlock_add_rule landlock_restrict_self'),
  },
]

const REFUSE: readonly RefusedGroup[] = [
  {
    errno: 'ENOSYS',
    why: 'Its flags lie in memory, where a filter cannot read them; C libraries fall back to clone, whose flags it can.',
    calls: names('clone3'),
  },
  {
    errno: 'EPERM',
    why: 'New or other namespaces: the capabilities that come with them open most of the kernel that bugs are found in.',
    calls: names('unshare setns'),
  },
  {
    errno: 'EPERM',
    why: 'Reading or changing the memory and descriptors of other processes: how a step would take the secret of another.',
    calls: names('ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp'),
  },
  {
    errno: 'EPERM',
    why: 'Changing what is mounted where.',
    calls: names(`mount umount2 pivot_root fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr mount_setattr quotactl
      quotactl_fd`),
  },
  {
    errno: 'EPERM',
    why: 'Opens a file by its number, past every mount and path: the oldest way out of a container.',
    calls: names('open_by_handle_at'),
  },
  {
    errno: 'EPERM',
    why: 'Runs operations that no filter sees, and is a frequent source of kernel bugs.',
    calls: names('io_uring_setup io_uring_enter io_uring_register'),
  },
  {
    errno: 'ENOSYS',
    why: 'The old asynchronous file calls: their requests are counted against one limit of the whole machine (fs.aio-max-nr), which a job could take for itself. Databases go on without them.',
    calls: names('io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents'),
  },
  {
    errno: 'EPERM',
    why: 'Programs or probes in the kernel; observing is the job of the host.',
    calls: names('bpf perf_event_open fanotify_init fanotify_mark lookup_dcookie uprobe uretprobe'),
  },
  {
    errno: 'EPERM',
    why: 'Stops the kernel in the middle of a copy: the usual help for winning races in exploits.',
    calls: names('userfaultfd'),
  },
  {
    errno: 'EPERM',
    why: 'Kernel keyrings are not bounded by namespaces.',
    calls: names('add_key request_key keyctl'),
  },
  {
    errno: 'EPERM',
    why: 'Memory that not even the host can read; no build needs it.',
    calls: names('memfd_secret'),
  },
  {
    errno: 'EPERM',
    why: "The kernel's own code, start and log.",
    calls: names('init_module finit_module delete_module kexec_load kexec_file_load reboot syslog'),
  },
  {
    errno: 'EPERM',
    why: "The machine's clock, swap, accounting and names.",
    calls: names(`settimeofday clock_settime adjtimex clock_adjtime swapon swapoff acct sethostname setdomainname vhangup`),
  },
  {
    errno: 'EPERM',
    why: 'Direct access to ports and descriptor tables of the processor.',
    calls: names('iopl ioperm modify_ldt'),
  },
  {
    errno: 'EPERM',
    why: 'Placing memory on a particular node or in a particular order: rarely used kernel code, and programs go on without it.',
    calls: names('mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages remap_file_pages'),
  },
  {
    errno: 'EPERM',
    why: 'What of a file is in the page cache: a side channel between jobs.',
    calls: names('cachestat'),
  },
  {
    errno: 'EPERM',
    why: 'Lists namespaces, also those of others.',
    calls: names('listns'),
  },
  {
    errno: 'EPERM',
    why: 'Leaving the security label that was given.',
    calls: names('lsm_set_self_attr'),
  },
  {
    errno: 'EPERM',
    why: 'Obsolete; nothing that is still built calls them.',
    calls: names('uselib ustat sysfs'),
  },
  {
    errno: 'ENOSYS',
    why: 'Numbers that current kernels do not implement.',
    calls:
      names(`_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area set_thread_area getpmsg putpmsg
      nfsservctl query_module security tuxcall vserver`),
  },
]

/** What every job runs under: what a build needs is allowed, everything else is refused. */
export const JOB_PROFILE: SeccompProfile = { allow: ALLOW, conditional: CONDITIONAL, refuse: REFUSE }
