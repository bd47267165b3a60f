// SPDX-License-Identifier: Apache-2.0
// The end of a gate, whatever it comes from: its job ends with it, and nothing else does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { assertNothingLeft, commandLine, keepersOf, kill, sandboxPids } from '../_host.ts'
import { until, World } from '../_world.ts'
import { expectNextRunWorks, reached } from './_faults.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** They left the world's cgroup for one of their own. */
function gates(): number[] {
  const children = keepersOf(world).flatMap(({ pid }) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' '))
  return children.map(Number).filter((pid) => / \S*(gate\.cjs|packages\/gate\/src\/main\.ts)$/.test(commandLine(pid)))
}

const STEPS = `
      runs-on: ubuntu-latest
      steps:
        - run: trap 'exit 0' TERM; sleep 600 & wait
        - { if: always(), run: 'echo afterwards' }
`

/** The shells of the steps that have come to wait: SIGTERM ends them well. */
function waiting(): number[] {
  const sleeping = sandboxPids(world).filter((pid) => commandLine(pid) === 'sleep 600')
  return sleeping.flatMap((pid) => {
    try {
      return [Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])]
    } catch {
      return [] // It just ended.
    }
  })
}

const repository = world.workflow(`on: push\njobs:\n    one:${STEPS}    two:${STEPS}`)

describe('the end of a gate', () => {
  for (const [signal, number] of [
    ['SIGKILL', 9],
    ['SIGSEGV', 11],
  ] as const) {
    test(`by ${signal} is the end of its job, which says so; another job of the same run goes on`, async () => {
      const running = world.start(['run', '--json', '--jobs', '2', '--state', world.state], { cwd: repository })
      // A step that is only being started would fail for want of its doors.
      await until('two steps', () => waiting().length === 2)
      const [gate = 0, ...others] = gates()
      assert.equal(others.length, 1)
      assert.ok(kill(gate, signal))
      await reached(running, ({ type }) => type === 'job.finished')
      const [shell = 0, ...more] = await until('the other job alone', () => waiting().length === 1 && waiting())
      assert.deepEqual(more, [])
      assert.ok(kill(shell, 'SIGTERM'))
      const run = world.parse(await running.result)
      assert.equal(run.exitCode, 1, run.why)
      const lost = run.document.jobs.filter(({ conclusion }) => conclusion === 'failure').map(({ key }) => key)
      const [job = ''] = lost
      assert.equal(lost.length, 1, run.why)
      const finished = run.events.find((event) => event.type === 'job.finished' && event.job === job)
      assert.match(JSON.stringify(finished?.data), new RegExp(`the gate ended with signal ${number}"`))
      assert.ok(!run.events.some((event) => event.job === job && event.type === 'step.started' && event.step === '2'))
      assert.equal(run.output(job === 'one' ? 'two' : 'one', '2'), 'afterwards\n')
      await assertNothingLeft(world)
    })
  }

  test('is the end of exec, for a reason of Sallyport’s own', async () => {
    const running = world.start(['exec', '--json', '--state', world.state, '--', 'sh', '-c', 'echo begun >&2; sleep 20'])
    await until('the command', () => running.output.stderr.includes('begun'))
    const [gate = 0] = gates()
    assert.ok(kill(gate, 'SIGKILL'))
    const { exitCode, stderr, stdout } = await running.result
    assert.equal(exitCode, 125, stderr)
    assert.match(stdout + stderr, /the gate ended with signal 9/)
    await assertNothingLeft(world)
    await expectNextRunWorks(world)
  })
})
