// SPDX-License-Identifier: Apache-2.0
import { runScript, type WallName } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const everything: readonly WallName[] = ['seccomp', 'capabilities', 'user-namespace', 'nosuid-nodev', 'devices']

escape({ never: 'a step makes a device node and opens it', probe: 'mknod-device', error: 'EPERM', without: [everything], rows: [34, 39] })

escape({
  never: "a step opens one of the host's devices",
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'exec 2>&1; : < /dev/planted/loop-control && echo opened')
    return findingOf(output, output.includes('opened'))
  },
  error: 'ENOENT',
  without: [['devices']],
  rows: [34],
})

escape({
  never: 'a step reaches the block device of its own disk, or one that makes such devices',
  probe: async (sandbox) => {
    const script =
      'exec 2>&1; for d in /dev/loop* /dev/mapper /dev/disk /dev/vd* /dev/sd* /dev/nvme* /dev/kvm /dev/mem /dev/fuse; do [ -e $d ] && echo there $d; done; find / -xdev -type b 2>/dev/null; ls /sys/dev/block'
    const { output } = await runScript(sandbox, script)
    return findingOf(output, output.trim() !== '')
  },
  error: null,
  without: [['masked-paths']],
  rows: [34, 39],
})
