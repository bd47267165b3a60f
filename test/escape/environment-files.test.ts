// SPDX-License-Identifier: Apache-2.0
// GITHUB_ENV and its like are read after the step, by a process outside: what lies in their place is the step's choice.
import assert from 'node:assert/strict'
import { runScript, withSandbox } from '@sallyport/testkit'
import { behaviour, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const FILE = '/run/sallyport/step/env'
const MAX = 1 << 20

const cases: readonly (readonly [what: string, script: string, expected: string | null])[] = [
  ['a link to a file of the host', `ln -sf /etc/passwd ${FILE}`, null],
  ['a link to another file of the step', `echo x > /run/sallyport/step/other; ln -sf other ${FILE}`, null],
  ['a pipe', `rm ${FILE}; mkfifo ${FILE}`, null],
  [
    'a pipe that somebody keeps open',
    `rm ${FILE}; mkfifo ${FILE}; setsid sh -c 'sleep 20 > ${FILE}' < /dev/null > /dev/null 2>&1 & sleep 0.05`,
    null,
  ],
  ['a directory', `rm ${FILE}; mkdir ${FILE}`, null],
  ['nothing', `rm ${FILE}`, null],
  ['100 MiB', `head -c 104857600 /dev/zero > ${FILE}`, null],
  ['a sparse file of 1 TiB', `truncate -s 1T ${FILE}`, null],
  ['a file without any permission', `echo A=1 > ${FILE}; chmod 000 ${FILE}`, null],
  ['a NUL and bytes that are no text', `printf 'A=1\\000\\377\\n' > ${FILE}`, 'A=1\0\xff\n'],
]

for (const [what, script, expected] of cases) {
  behaviour(
    { name: `${what} in the place of an environment file is read as ${expected === null ? 'nothing' : 'bytes'}, and at once`, rows: [25] },
    async () => {
      await withSandbox({}, async (sandbox) => {
        const started = performance.now()
        const { exit } = await runScript(sandbox, script, {
          files: [{ name: 'env', content: Buffer.alloc(0), mode: 0o644 }],
          collect: ['env'],
          collectBytesMax: MAX,
        })
        assert.ok(performance.now() - started < 120_000)
        const content = exit.files['env'] ?? null
        assert.equal(content === null ? null : Buffer.from(content).toString('latin1'), expected)
      })
    },
  )
}

behaviour({ name: 'an environment file that a leftover keeps growing is cut at the limit', rows: [25] }, async () => {
  await withSandbox({}, async (sandbox) => {
    const grow = `setsid sh -c 'while :; do echo A=1; done >> ${FILE}' < /dev/null 2> /dev/null > /dev/null & sleep 0.02`
    const { exit } = await runScript(sandbox, grow, {
      files: [{ name: 'env', content: Buffer.alloc(0), mode: 0o644 }],
      collect: ['env'],
      collectBytesMax: MAX,
    })
    assert.ok((exit.files['env']?.length ?? 0) <= MAX)
  })
})
