// SPDX-License-Identifier: Apache-2.0
// Process 1 is ours, with the job's uid: whoever owns it owns the sandbox's life.
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step signals process 1',
  probe: 'kill-init',
  error: 'EPERM',
  without: [['step-domain'], ['step-signal-scope']],
  rows: [17],
})
escape({
  never: 'a step kills process 1',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'for s in KILL STOP TERM SEGV ABRT; do kill -$s 1; done; sleep 0.1; echo lives')
    const after = await runScript(sandbox, 'echo another step')
    return findingOf(output, !output.includes('lives') || !after.output.includes('another step'))
  },
  error: 'EPERM',
  without: [],
  only: "even without the step's domain the kernel ignores what a pid namespace's own members send to its first process",
  rows: [17],
})
escape({
  never: 'a step traces process 1',
  probe: 'ptrace-attach',
  error: 'EPERM',
  without: [['init-protected', 'step-domain', 'seccomp']],
  rows: [1, 35],
})
escape({
  never: 'a step reads the memory of process 1',
  probe: 'read-proc-mem',
  error: 'EACCES',
  without: [['init-protected', 'step-domain']],
  rows: [1],
})
escape({
  never: 'a step reads the environment of process 1',
  probe: 'read-proc-environ',
  error: 'EACCES',
  without: [['init-protected', 'step-domain']],
  rows: [1],
})
escape({
  never: 'a step reads process 1 by the system call for it',
  probe: 'process-vm-readv',
  error: 'EPERM',
  without: [['init-protected', 'step-domain', 'seccomp']],
  rows: [1],
})
