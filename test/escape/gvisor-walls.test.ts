// SPDX-License-Identifier: Apache-2.0
// Walls inside of a sandbox of gVisor, taken out one by one. That needs no disposable box: what gets through is still within a kernel of the sandbox's own.
import assert from 'node:assert/strict'
import type { Sandbox } from '@sallyport/sandbox'
import { runScript, runStep, type TestGate, withGate, withSandbox } from '@sallyport/testkit'
import { behaviour, escape, type Finding } from './_suite.ts'

const driver = 'gvisor' as const

const holder = {
  id: 'holder',
  argv: ['/bin/sh', '-c', 'echo up > /tmp/up; exec sleep 4242'],
  env: { PATH: '/usr/bin:/bin', SECRET: 'only-the-holders' },
  workingDirectory: '/tmp',
  files: [{ name: 'token', content: Buffer.from('only-the-holders'), mode: 0o600 }],
  collect: [],
  collectBytesMax: 0,
  network: null,
} as const

/**
 * `script` looks for the secret of another step, which has it in its environment and in its files. Who looks was there first: what was mounted later lies over
 * what was mounted before.
 */
async function besideSecret(sandbox: Sandbox, script: string): Promise<Finding> {
  const looking = runScript(sandbox, `until [ -e /tmp/up ]; do sleep 0.05; done; sleep 0.05; ${script}`)
  const other = await sandbox.startStep(holder)
  other.output.resume()
  const { output } = await looking
  await other.kill()
  await other.exit
  return { outcome: output.includes('got') ? 'got' : 'refused', error: null, detail: output.slice(-300) }
}

escape({
  driver,
  never: "in gVisor's sandbox a step signals a process of another step",
  probe: (sandbox) =>
    besideSecret(sandbox, 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = sleep ] && kill -0 ${p#/proc/} && echo got; done'),
  error: null,
  without: [['gvisor-pid-namespace']],
  rows: [],
})
escape({
  driver,
  never: "in gVisor's sandbox a step reads the environment of another step's process",
  probe: (sandbox) =>
    besideSecret(sandbox, 'cat /proc/[0-9]*/environ 2> /dev/null | tr "\\0" "\\n" | grep -q only-the-holders && echo got'),
  error: null,
  without: [['gvisor-pid-namespace']],
  rows: [],
})
escape({
  driver,
  never: "in gVisor's sandbox a step reads the private files of another step",
  probe: (sandbox) => besideSecret(sandbox, 'find /run/sallyport -name token -exec grep -q only-the-holders {} \\; -exec echo got \\;'),
  error: null,
  without: [['gvisor-mount-namespace']],
  rows: [],
})
escape({
  driver,
  never: "in gVisor's sandbox a step puts something in the place of /dev/null",
  probe: 'masked-path-race',
  error: 'EROFS',
  without: [['gvisor-devices-read-only']],
  rows: [],
})
escape({
  driver,
  never: "in gVisor's sandbox a step signals its first process",
  probe: 'kill-init',
  error: 'EPERM',
  without: [['seccomp']],
  rows: [],
})

/** Whether a step without a network speaks through the turn of the step that has it. */
async function speakInAnothersTurn(without: readonly 'gvisor-own-network'[]): Promise<boolean> {
  return withGate({ driver, without }, async (sandbox, gate: TestGate) => {
    const network = await gate.open('first', [])
    const first = await sandbox.startStep({
      id: 'first',
      argv: ['/bin/sleep', '4242'],
      env: {},
      workingDirectory: '/tmp',
      files: [],
      collect: [],
      collectBytesMax: 0,
      network,
    })
    first.output.resume()
    await runStep(sandbox, { argv: ['/bin/bash', '-c', 'exec 3<>/dev/tcp/192.0.2.7/443'] })
    await first.kill()
    await first.exit
    const { refused } = await gate.close('first')
    return refused.some(({ refusal }) => refusal.target === '192.0.2.7:443')
  })
}

behaviour(
  {
    driver,
    name: "in gVisor's sandbox a step without a network does not speak as the step that has it",
    rows: [],
    without: [['gvisor-own-network']],
  },
  async () => {
    assert.equal(await speakInAnothersTurn([]), false)
    assert.equal(await speakInAnothersTurn(['gvisor-own-network']), true)
  },
)

const PROVEN = [
  ['gvisor-pid-namespace', 'step-memory-isolation'],
  ['gvisor-pid-namespace', 'step-signal-isolation'],
  ['gvisor-mount-namespace', 'step-private-files'],
] as const
for (const [wall, guarantee] of PROVEN) {
  behaviour(
    { driver, name: `in gVisor's sandbox without "${wall}" the self-check names "${guarantee}"`, rows: [], without: [[wall]] },
    () =>
      withSandbox({ driver, without: [wall] }, async (sandbox) => {
        const results = await sandbox.selfCheck(AbortSignal.timeout(60_000))
        assert.ok(results.some((result) => result.guarantee === guarantee && !result.holds))
      }),
  )
}
