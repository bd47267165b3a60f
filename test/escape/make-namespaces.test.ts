// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({ never: 'a step makes a user namespace', probe: 'unshare-userns', error: 'EPERM', without: [['seccomp']], rows: [38, 39] })
escape({
  never: 'a step makes a user namespace by clone3',
  probe: 'clone3-userns',
  error: 'ENOSYS',
  without: [['seccomp']],
  rows: [38, 39],
})
escape({
  never: 'a step enters a namespace of process 1',
  probe: 'setns-init',
  error: 'EACCES',
  without: [['step-domain', 'seccomp', 'capabilities']],
  rows: [37],
})
