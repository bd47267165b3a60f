// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step opens core_pattern, whose program the kernel runs as root, for writing',
  probe: 'core-pattern-write',
  error: 'EACCES',
  without: [['read-only-kernel', 'user-namespace']],
  rows: [37],
})
escape({
  never: 'a step changes a setting of the kernel that is its own namespace’s',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'exec 2>&1; echo 4321 > /proc/sys/kernel/msgmax && cat /proc/sys/kernel/msgmax')
    return findingOf(output, output.trim() === '4321')
  },
  error: 'EROFS',
  without: [['read-only-kernel']],
  rows: [37],
})
escape({
  never: 'a step reads what the kernel tells about the machine',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'cat /proc/interrupts /proc/key-users /proc/swaps /proc/timer_list 2>&1 | head -c 200')
    return findingOf(output, /CPU0|Filename/.test(output))
  },
  error: null,
  without: [['masked-paths']],
  rows: [37],
})
escape({
  never: 'a step opens the trigger of the magic keys',
  probe: 'sysrq-trigger',
  error: existsSync('/proc/sysrq-trigger') ? 'EACCES' : 'ENOENT',
  without: [['read-only-kernel', 'user-namespace']],
  absent: { ENOENT: 'this kernel has no such file' },
  rows: [37],
})
escape({
  never: "a step opens the kernel's memory",
  probe: 'kcore-read',
  error: existsSync('/proc/kcore') ? 'ENODATA' : 'ENOENT',
  without: [],
  only: 'masked, owned by a user that the job is not, and behind a capability that no process in a user namespace has',
  rows: [37],
})
