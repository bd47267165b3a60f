// SPDX-License-Identifier: Apache-2.0
// CVE-2019-5736: a job writes the host's program that a process of the runtime in its sandbox was started from.
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step opens the program of process 1 for writing',
  probe: 'proc-self-exe-overwrite',
  error: 'EACCES',
  without: [['init-protected', 'step-domain', 'user-namespace']],
  rows: [35],
})
