// SPDX-License-Identifier: Apache-2.0
// The self-check must notice each wall that is not there: a job is refused by what it finds.
import assert from 'node:assert/strict'
import { runScript, WALLS, type WallName, withSandbox } from '@sallyport/testkit'
import { behaviour, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const check = (without: readonly WallName[]): Promise<string[]> =>
  withSandbox({ without }, async (sandbox) => {
    const results = await sandbox.selfCheck(AbortSignal.timeout(20_000))
    return [...new Set(results.filter(({ holds }) => !holds).map(({ guarantee, evidence }) => `${guarantee} (${evidence})`))]
  })

behaviour({ name: 'the self-check finds nothing missing in the sandbox as the product builds it', rows: [] }, async () => {
  assert.deepEqual(await check([]), [])
})

/** Walls behind which another one stands, so that the canaries do not get through either. */
const BEHIND: Partial<Record<WallName, WallName>> = { 'init-protected': 'step-domain' }

for (const name of Object.keys(WALLS) as WallName[]) {
  // Those of gVisor's sandbox: gvisor-walls.test.ts.
  for (const guarantee of WALLS[name].driver === undefined ? WALLS[name].guarantees : []) {
    if (guarantee === 'step-signal-isolation') continue
    const other = BEHIND[name]
    const walls = other === undefined ? [name] : [name, other]
    behaviour({ name: `without "${walls.join('", "')}" the self-check names "${guarantee}"`, rows: [], without: [walls] }, async () => {
      const missing = await check(walls)
      assert.ok(
        missing.some((text) => text.startsWith(`${guarantee} `)),
        missing.join('\n'),
      )
    })
  }
}

behaviour(
  {
    name: 'without "step-signal-scope", as on an older kernel, no process outlives its step',
    rows: [17],
    without: [['step-signal-scope']],
  },
  async () => {
    await withSandbox({ without: ['step-signal-scope'] }, async (sandbox) => {
      const results = await sandbox.selfCheck(AbortSignal.timeout(20_000))
      assert.ok(results.some(({ evidence }) => evidence.includes('no process outlives its step')))
      await runScript(sandbox, 'setsid sleep 20 < /dev/null > /dev/null 2>&1 & sleep 0.1')
      // What is killed when the next step starts takes a moment to be gone; what is not killed sleeps on.
      const look =
        'i=0; while cat /proc/[0-9]*/comm | grep -qx sleep && [ $i -lt 40 ]; do i=$((i + 1)); timeout 0.05 tail -f /dev/null; done; cat /proc/[0-9]*/comm'
      const { output } = await runScript(sandbox, look)
      assert.ok(!output.includes('sleep'), output)
    })
  },
)
