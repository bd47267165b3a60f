// SPDX-License-Identifier: Apache-2.0
// All attack programs at once, in gVisor's sandbox as the product builds it. Its walls are other ones than runc's: the table of docs/wall-matrix.md says which.
import assert from 'node:assert/strict'
import { buildAttacks, runAttacks, runScript, withSandbox } from '@sallyport/testkit'
import { behaviour } from './_suite.ts'

/** The memory limit ends a sandbox of gVisor whole, and the attack with it: see below. */
const ENDS_SANDBOX = ['memory-bomb']
const OBSERVED = ['daemonize-outlive', 'log-flood']
const LIMITS = {
  ATTACK_PIDS: '200',
  ATTACK_MEMORY_BYTES: String(400 << 20),
  ATTACK_DISK_BYTES: String(128 << 20),
  ATTACK_INODES: '20000',
  ATTACK_DESCRIPTORS: '4096',
}
behaviour({ name: 'no attack program gets anything in a sandbox of gVisor', rows: [], driver: 'gvisor' }, async () => {
  await buildAttacks()
  await withSandbox({ driver: 'gvisor' }, async (sandbox) => {
    const attempts = await runAttacks(sandbox, ['--all', ...ENDS_SANDBOX.flatMap((id) => ['--except', id])], LIMITS)
    assert.ok(attempts.length > 50)
    assert.deepEqual(
      attempts.filter(({ id, outcome }) => outcome !== 'refused' && !OBSERVED.includes(id)),
      [],
    )
  })
})

behaviour(
  { name: "a memory bomb in a sandbox of gVisor ends the sandbox at the job's limit, and nothing else", rows: [], driver: 'gvisor' },
  async () => {
    await withSandbox({ driver: 'gvisor' }, async (other) => {
      await withSandbox({ driver: 'gvisor' }, async (sandbox) => {
        await assert.rejects(runAttacks(sandbox, ['memory-bomb'], LIMITS), /signalled 9/)
        assert.match(await sandbox.lost, /PID 1/)
        assert.ok(sandbox.limitCounts().oomKills > 0)
      })
      assert.equal((await runScript(other, 'echo on')).output, 'on\n')
    })
  },
)
