// SPDX-License-Identifier: Apache-2.0
// CVE-2022-0847. Builds copy with splice, so it is allowed: the kernel must be repaired, and is asked. The files that a job
// can open, the host's /usr among them, lie under a mapped, read-only mount and a copy-on-write layer.
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a pipe writes into the page of a read-only file',
  probe: 'dirty-pipe',
  error: null,
  without: [],
  only: 'the wall is a repaired kernel, which cannot be taken out',
  rows: [39],
})

escape({
  never: 'what a step writes into a program of /usr is seen outside of its sandbox',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'echo changed >> /usr/bin/true && tail -c 8 /usr/bin/true')
    const { readFile } = await import('node:fs/promises')
    const outside = (await readFile('/usr/bin/true')).subarray(-8).toString()
    return findingOf(output, !output.includes('changed') || outside.includes('changed'))
  },
  error: null,
  without: [],
  only: 'the lower layer is the read-only side of an overlay; without it there is no root file system',
  rows: [39],
})
