// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({ never: 'a step switches address randomisation off', probe: 'personality', error: 'EPERM', without: [['seccomp']], rows: [39] })
escape({
  never: 'a step types into a terminal',
  probe: 'tiocsti',
  error: 'EPERM',
  without: [['seccomp']],
  absent: { EIO: 'this kernel has it switched off' },
  rows: [37],
})
escape({
  never: 'dead processes pile up',
  probe: 'zombie-flood',
  error: null,
  without: [],
  only: 'process 1 reaps them; the pids limit bounds them in any case',
  rows: [17],
})
