// SPDX-License-Identifier: Apache-2.0
// CVE-2024-21626: a runtime leaves a directory of the host open, and a working directory `/proc/self/fd/N` leads there.
import { runStep } from '@sallyport/testkit'
import { escape, type Finding, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const plants = ['leaked-descriptor'] as const

escape({
  never: 'a step inherits a directory of the host that somebody left open',
  probe: 'workdir-fd-leak',
  error: 'EBADF',
  without: [['step-descriptors']],
  plants,
  rows: [36],
})
escape({
  never: "a step's working directory leads to the host by a descriptor",
  probe: async (sandbox): Promise<Finding> => {
    for (let fd = 0; fd < 24; fd += 1) {
      const { output, exit } = await runStep(sandbox, { argv: ['/bin/ls', '-a'], workingDirectory: `/proc/self/fd/${fd}` })
      if (exit.kind === 'exited' && exit.code === 0) return { outcome: 'got', error: null, detail: `${fd}: ${output.slice(0, 300)}` }
    }
    return { outcome: 'refused', error: null, detail: 'none of 24 descriptors is a directory' }
  },
  error: null,
  without: [['step-descriptors']],
  plants,
  rows: [36],
})
escape({
  never: 'a step has more open than its three streams',
  probe: async (sandbox): Promise<Finding> => {
    const { output } = await runStep(sandbox, { argv: ['/bin/sh', '-c', 'for f in /proc/$$/fd/*; do [ -e $f ] && echo ${f##*/}; done'] })
    const open = output
      .trim()
      .split('\n')
      .filter((fd) => Number(fd) > 2)
    return { outcome: open.length > 0 ? 'got' : 'refused', error: null, detail: output }
  },
  error: null,
  without: [['step-descriptors']],
  plants,
  rows: [36],
})
