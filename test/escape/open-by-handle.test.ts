// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step opens a file by its number, past every mount',
  probe: 'open-by-handle',
  error: 'EPERM',
  without: [['seccomp', 'capabilities', 'user-namespace']],
  absent: { EOPNOTSUPP: 'this file system has no handles', EINVAL: 'this file system has other handles' },
  rows: [34],
})
