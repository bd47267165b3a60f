// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step mounts a file system',
  probe: 'mount-tmpfs',
  error: 'EPERM',
  without: [['seccomp', 'capabilities']],
  rows: [37, 38],
})
escape({
  never: 'a step makes a file system by the new mount calls',
  probe: 'mount-new-api',
  error: 'EPERM',
  without: [['seccomp', 'capabilities']],
  rows: [37, 38],
})
