// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { runScript, type WallName, withSandbox } from '@sallyport/testkit'
import { behaviour, escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

behaviour({ name: 'two jobs at a time share no user id', rows: [17] }, async () => {
  await withSandbox({}, async (one) => {
    await withSandbox({}, async (other) => {
      const map = async (sandbox: typeof one): Promise<number> =>
        Number((await runScript(sandbox, 'cat /proc/self/uid_map')).output.trim().split(/\s+/)[1])
      const [first, second] = [await map(one), await map(other)]
      assert.ok(Math.abs(first - second) >= 65_536 && first >= 65_536 && second >= 65_536, `${first} ${second}`)
    })
  })
})

/** What a job finds of another one that runs beside it, without the same walls. */
function besideAnother(
  never: string,
  walls: readonly WallName[],
  inOther: string,
  script: string,
  sign: string,
  rows: readonly number[],
): void {
  escape({
    never,
    probe: async (sandbox) =>
      withSandbox({ without: walls }, async (other) => {
        await runScript(other, `${inOther} < /dev/null > /dev/null 2>&1 &`)
        let output = ''
        // The other job may take a moment on a busy machine.
        for (let i = 0; i < 8 && !output.includes(sign); i += 1) output = (await runScript(sandbox, `sleep 0.1; ${script}`)).output
        return findingOf(output, output.includes(sign))
      }),
    error: null,
    without: [walls],
    rows,
  })
}

besideAnother(
  'a job sees a process of another job',
  ['pid-namespace'],
  'setsid sleep 9.125',
  'cat /proc/[0-9]*/cmdline | tr "\\0" " "',
  'sleep 9.125',
  [17],
)
besideAnother(
  'a job reaches an abstract socket of another job',
  ['network'],
  `setsid perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack("Sa*", 1, "\\0of-another-job")); listen(S, 1); sleep 9'`,
  `perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); print connect(S, pack("Sa*", 1, "\\0of-another-job")) ? "reached" : $!'`,
  'reached',
  [17],
)
besideAnother('a job sees shared memory of another job', ['ipc-namespace'], 'ipcmk -M 4096', 'tail -n +2 /proc/sysvipc/shm', '4096', [17])
