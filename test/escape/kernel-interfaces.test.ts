// SPDX-License-Identifier: Apache-2.0
// Where most local privilege escalations of the kernel begin: what they need must be out of reach.
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const missing = {
  ENOSYS: 'this kernel is built without it',
  EAFNOSUPPORT: 'this kernel has no such family',
  EPROTONOSUPPORT: 'this kernel has no such protocol',
}

escape({
  never: 'a step makes an io_uring',
  probe: 'io-uring-setup',
  error: 'EPERM',
  without: [['seccomp']],
  absent: { ...missing, EPERM: 'this kernel has it switched off' },
  rows: [30, 39],
})
escape({
  never: "a step reaches the user's keyring",
  probe: 'keyctl-read',
  error: 'EPERM',
  without: [['seccomp']],
  absent: missing,
  rows: [39],
})
escape({
  never: 'a step loads a BPF program',
  probe: 'bpf-load',
  error: 'EPERM',
  without: [['seccomp', 'capabilities', 'user-namespace']],
  absent: missing,
  rows: [39],
})
escape({
  never: 'a step takes over page faults',
  probe: 'userfaultfd',
  error: 'EPERM',
  without: [['seccomp', 'capabilities', 'user-namespace']],
  absent: missing,
  rows: [39],
})
escape({
  never: 'a step opens a performance event',
  probe: 'perf-event-open',
  error: 'EPERM',
  without: [['seccomp', 'capabilities', 'user-namespace']],
  absent: { ...missing, ENOENT: 'this machine has no such event' },
  rows: [39],
})
escape({
  never: 'a step adds an nf_tables table',
  probe: 'nf-tables',
  error: 'EPROTONOSUPPORT',
  without: [['seccomp', 'capabilities']],
  absent: missing,
  rows: [24, 39],
})
escape({
  never: 'a step loads a kernel module',
  probe: 'load-module',
  error: 'EPERM',
  without: [['seccomp', 'capabilities', 'user-namespace']],
  absent: missing,
  rows: [39],
})
