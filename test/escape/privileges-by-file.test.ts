// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a set-user-id file makes an ordinary user root',
  probe: 'setuid-binary',
  error: null,
  without: [['no-new-privileges', 'nosuid-nodev']],
  rows: [1, 39],
})
escape({
  never: 'a file gives its user capabilities',
  probe: 'file-capabilities',
  error: 'EPERM',
  without: [['no-new-privileges', 'nosuid-nodev', 'capabilities']],
  rows: [1, 39],
})
