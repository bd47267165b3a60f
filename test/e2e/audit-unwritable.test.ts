// SPDX-License-Identifier: Apache-2.0
// Without the log nothing is handed over, and nothing ends well.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import type { ExecResult } from '@sallyport/agent'
import { assertNothingLeft } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const TOKEN = 'correct-horse-battery-staple'
const WORKFLOW = `
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo first
      - run: echo "given \${#TOKEN}"
        env:
          TOKEN: \${{ secrets.TOKEN }}
`

describe('a log that cannot be written', () => {
  const path = join(world.state, 'audit')
  const empty = join(world.directory, 'empty')
  beforeEach(() => {
    for (const directory of [world.state, empty]) mkdirSync(directory, { recursive: true, mode: 0o700 })
    rmSync(path, { recursive: true, force: true })
    writeFileSync(path, 'in the way')
  })

  test('keeps a secret from a step, and the run ends with 6', async () => {
    const run = await world.runJson(world.workflow(WORKFLOW), ['--secret', 'TOKEN'], { env: { TOKEN } })
    assert.equal(run.exitCode, 6, run.why)
    assert.equal(run.document.error?.code, 'AUDIT_LOG_UNWRITABLE')
    assert.equal(run.document.error?.message.includes(path), true)
    assert.equal(run.document.log, null)
    // Where the sandbox took long, the log has failed before the first step, and that does not start either.
    const [, second] = run.document.jobs[0]?.steps.filter(({ name }) => name.startsWith('Run ')) ?? []
    assert.match(String(second?.conclusion), /^(failure|skipped)$/)
    assert.doesNotMatch(run.stdout, /given \d/)
    await assertNothingLeft(world)
  })

  test('keeps a secret from a command, and exec ends with 125', async () => {
    const { exitCode, stdout, stderr } = await world.run(
      ['exec', '--json', '--secret', 'TOKEN', '--', 'sh', '-c', 'echo "given ${#TOKEN}" >&2'],
      {
        cwd: empty,
        env: { TOKEN },
      },
    )
    const { error } = JSON.parse(stdout) as ExecResult
    assert.deepEqual([exitCode, error?.code, error?.exitCode], [125, 'AUDIT_LOG_UNWRITABLE', 6])
    assert.doesNotMatch(stderr, /given \d/)
    assert.match(stderr, /error\[AUDIT_LOG_UNWRITABLE\]: Cannot write the log in ".*\/audit": .*\n {2}\S/)
  })

  test('is a failure of a command without secrets, too, when it has ended', async () => {
    const { exitCode, stdout, stderr } = await world.run(['exec', '--', 'echo', 'ran'], { cwd: empty })
    // Where the sandbox took long, the log has failed before, and the command does not start.
    assert.equal(exitCode, 125)
    assert.match(stdout, /^(ran\n)?$/)
    assert.match(stderr, /error\[AUDIT_LOG_UNWRITABLE\]/)
  })
})
