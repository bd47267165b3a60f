// SPDX-License-Identifier: Apache-2.0
// All attack programs at once, in the sandbox as the product builds it, on the machine itself: what the disposable box of the other
// tests adds or takes away plays no part here.
import assert from 'node:assert/strict'
import { buildAttacks, runAttacks, withSandbox } from '@sallyport/testkit'
import { behaviour } from './_suite.ts'

/** Told by an observer: the job's end and its log, see outlive-the-job.test.ts and output-flood.test.ts. */
const OBSERVED = ['daemonize-outlive', 'log-flood']
const BIGGER = {
  ATTACK_PIDS: '200',
  ATTACK_MEMORY_BYTES: String(400 << 20),
  ATTACK_DISK_BYTES: String(128 << 20),
  ATTACK_INODES: '20000',
  ATTACK_DESCRIPTORS: '4096',
}

behaviour(
  { name: 'no attack program gets anything in a sandbox on this machine', rows: [1, 3, 17, 24, 30, 34, 35, 36, 37, 38, 39, 45, 46] },
  async () => {
    await buildAttacks()
    await withSandbox({}, async (sandbox) => {
      const attempts = await runAttacks(sandbox, ['--all'], BIGGER)
      assert.ok(attempts.length > 50)
      assert.deepEqual(
        attempts.filter(({ id, outcome }) => outcome !== 'refused' && !OBSERVED.includes(id)),
        [],
      )
    })
  },
)
