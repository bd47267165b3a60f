// SPDX-License-Identifier: Apache-2.0
// CVE-2025-31133, 52565, 52881: a runtime that masks paths by what it finds at /dev/null is lost when a job put a link there.
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: 'a step puts a link in the place of /dev/null',
  probe: 'masked-path-race',
  error: 'EBUSY',
  without: [['user-namespace']],
  rows: [37],
})

escape({
  never: "a later step's mounts follow a link that an earlier one put in their way",
  probe: async (sandbox) => {
    const { output } = await runScript(
      sandbox,
      'exec 2>&1; mv /run/sallyport /run/moved; rmdir /run/sallyport/step; ln -sfn /etc /run/sallyport/step; ls -ld /run/sallyport/step',
    )
    return findingOf(output, output.includes('->') || !output.includes('/run/sallyport/step'))
  },
  error: 'EROFS',
  without: [],
  only: 'the place is a mount of its own within a read-only one, and a runtime never mounts into a running sandbox',
  rows: [37],
})
