// SPDX-License-Identifier: Apache-2.0
// CVE-2022-0492: whoever writes the release_agent of a version-1 hierarchy runs a program as the host's root.
import { runScript, type WallName } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const walls: readonly WallName[] = ['seccomp', 'capabilities', 'user-namespace']

escape({
  never: "a step mounts the host's cgroups and opens what steers them",
  probe: 'mount-cgroup-release-agent',
  error: 'EPERM',
  without: [walls],
  rows: [38],
})

escape({
  never: 'a step finds a cgroup file system in its tree',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'find /sys/fs/cgroup -mindepth 1 | head -5; grep -c " - cgroup" /proc/self/mountinfo')
    return findingOf(output, output.trim() !== '0')
  },
  error: null,
  without: [],
  only: 'nothing mounts one: a wall that is an absence',
  rows: [38],
})

escape({
  never: "a step is told the paths of the host's cgroups",
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'cat /proc/self/cgroup')
    return findingOf(output, output.includes('sallyport'))
  },
  error: null,
  without: [['cgroup-namespace']],
  rows: [38],
})
