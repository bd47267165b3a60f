// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { runScript, runStep, withSandbox } from '@sallyport/testkit'
import { behaviour, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const MIB = 1 << 20

behaviour({ name: '256 MiB in one line costs the supervisor no memory', rows: [46, 50] }, async () => {
  await withSandbox({}, async (sandbox) => {
    const before = process.memoryUsage().rss
    const { output } = await runStep(sandbox, { argv: ['/tmp/attack', 'log-flood'], env: { ATTACK_LOG_BYTES: String(256 * MIB) } })
    assert.ok(output.length <= MIB)
    assert.ok(process.memoryUsage().rss - before < 128 * MIB)
  })
})

behaviour({ name: 'output that nobody reads holds the step, not the supervisor, and the step can be killed', rows: [46] }, async () => {
  await withSandbox({}, async (sandbox) => {
    const before = process.memoryUsage().rss
    const spec = {
      id: 'flood',
      argv: ['/bin/sh', '-c', 'yes'],
      env: { PATH: '/usr/bin:/bin' },
      workingDirectory: '/tmp',
      files: [],
      collect: [],
      collectBytesMax: 0,
      network: null,
    }
    const step = await sandbox.startStep(spec)
    await new Promise((resolve) => setTimeout(resolve, 500))
    await step.kill()
    assert.ok(process.memoryUsage().rss - before < 64 * MIB)
    step.output.destroy()
    assert.equal((await runScript(sandbox, 'echo next')).output, 'next\n')
  })
})

behaviour({ name: "a leftover's output is not the next step's", rows: [50] }, async () => {
  await withSandbox({}, async (sandbox) => {
    await runScript(sandbox, "setsid sh -c 'for i in 1 2 3 4 5 6 7 8; do echo ::set-env name=EVIL::1; sleep 0.05; done' &")
    const { output } = await runScript(sandbox, 'sleep 0.3; echo mine')
    assert.equal(output, 'mine\n')
  })
})
