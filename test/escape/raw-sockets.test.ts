// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const absent = { EAFNOSUPPORT: 'this kernel has no such family' }
escape({
  never: 'a step opens a packet socket',
  probe: 'packet-socket',
  error: 'EAFNOSUPPORT',
  without: [['seccomp', 'capabilities']],
  rows: [30],
})
escape({ never: 'a step opens a raw socket', probe: 'raw-socket', error: 'EPERM', without: [['seccomp', 'capabilities']], rows: [30] })
escape({
  never: 'a step opens a socket to the hypervisor',
  probe: 'vsock-connect',
  error: 'EAFNOSUPPORT',
  without: [['seccomp']],
  absent,
  rows: [30],
})
escape({
  never: 'a step changes an address or route',
  probe: 'netlink-route-change',
  error: 'EPERM',
  without: [['capabilities']],
  rows: [24, 30],
})
