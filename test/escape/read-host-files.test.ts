// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

escape({
  never: "a step reads a file of the host's tree",
  probe: 'read-canary-file',
  error: 'ENOENT',
  without: [['host-files-hidden']],
  rows: [34],
})
for (const [probe, never] of [
  ['read-shadow', "a step reads the host's passwords"],
  ['read-ssh-key', "a step reads root's ssh key"],
  ['read-cloud-credentials', "a step reads root's cloud credentials"],
  ['read-other-homes', "a step lists another user's home"],
] as const) {
  escape({ never, probe, error: 'ENOENT', without: [['host-files-hidden', 'user-namespace']], rows: [34] })
}
escape({
  never: "a step talks to the host's container daemon",
  probe: 'docker-sock',
  error: 'ENOENT',
  without: [['host-files-hidden', 'user-namespace']],
  rows: [34],
})
