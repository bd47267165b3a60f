// SPDX-License-Identifier: Apache-2.0
// The runner's worker that the real attacks read, with the secrets in its environment and memory, runs next to the sandbox.
import { PLANTED_SECRET, runAttacks, runScript } from '@sallyport/testkit'
import { escape, type Finding, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: "a step reads the secret in the memory of the runner's worker",
  probe: async (sandbox): Promise<Finding> => {
    const [attempt] = await runAttacks(sandbox, ['read-proc-mem'])
    return { outcome: attempt?.detail.includes(PLANTED_SECRET) === true ? 'got' : 'refused', error: null, detail: attempt?.detail ?? '' }
  },
  error: null,
  without: [['pid-namespace', 'step-domain', 'user-namespace', 'capabilities']],
  rows: [1, 3],
})
escape({
  never: "a step reads the secret in the environment of the runner's worker",
  probe: async (sandbox): Promise<Finding> => {
    const [attempt] = await runAttacks(sandbox, ['read-proc-environ'])
    return { outcome: attempt?.detail.includes(PLANTED_SECRET) === true ? 'got' : 'refused', error: null, detail: attempt?.detail ?? '' }
  },
  error: null,
  // Not the step's domain: newer kernels let CAP_PERFMON of the first user namespace read an environment past every other check.
  without: [['pid-namespace', 'user-namespace', 'capabilities']],
  absent: { EACCES: 'this kernel asks for more than CAP_PERFMON' },
  rows: [1, 3],
})
escape({
  never: 'a step sees a process outside of its sandbox',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'cat /proc/[0-9]*/comm')
    return findingOf(output, output.includes('planted-server') || output.includes('Runner.Worker'))
  },
  error: null,
  without: [['pid-namespace']],
  rows: [1, 3],
})
escape({
  never: 'a step may kill a process outside of its sandbox',
  probe: 'kill-others',
  error: 'ESRCH',
  without: [['pid-namespace', 'step-domain']],
  rows: [17, 24],
})
