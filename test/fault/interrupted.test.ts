// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { assertNothingLeft, commandLine, keepersOf, kill, sandboxPids } from '../_host.ts'
import { until, World } from '../_world.ts'
import { conclusionsOf, heldRepository, reached, startHeld } from './_faults.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())
const repository = heldRepository(world)

describe('Ctrl-C', () => {
  test('once cancels: the step ends, always() steps run, the run ends with 130 and leaves nothing', async () => {
    const running = await startHeld(world, repository)
    running.child.kill('SIGINT')
    const run = world.parse(await running.result)
    assert.equal(run.exitCode, 130, run.why)
    assert.equal(run.document.conclusion, 'cancelled')
    assert.deepEqual(
      run.document.jobs[0]?.steps.slice(3).map(({ conclusion }) => conclusion),
      ['cancelled', 'success'],
    )
    assert.equal(run.output('one', '5'), 'always ran\n')
    await assertNothingLeft(world)
    assert.equal((await conclusionsOf(world))[run.document.id], 'cancelled')
  })

  test('twice kills: no always() step holds it up, and the exit code is still 130', async () => {
    const stubborn = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - run: sleep 1000
            - { if: always(), run: 'trap "" INT TERM; sleep 1000' }
    `)
    const running = world.start(['run', '--json', '--state', world.state], { cwd: stubborn })
    await reached(running, (event) => event.type === 'step.started' && event.step === '1')
    running.child.kill('SIGINT')
    await reached(running, (event) => event.type === 'step.started' && event.step === '2')
    const asked = performance.now()
    running.child.kill('SIGINT')
    const run = world.parse(await running.result)
    assert.equal(performance.now() - asked < 120_000, true, 'it ends long before the five minutes that one would give it')
    assert.equal(run.exitCode, 130, run.why)
    await assertNothingLeft(world)
  })

  test('while the sandbox is built ends the run with 130 and leaves nothing', async () => {
    const running = world.start(['run', '--json', '--state', world.state], { cwd: repository })
    await until('a keeper', () => keepersOf(world).length > 0)
    running.child.kill('SIGINT')
    const run = world.parse(await running.result)
    assert.equal(run.exitCode, 130, run.why)
    await assertNothingLeft(world)
  })

  test('of exec ends the command with 130, for one that ignores the signal as well', async () => {
    const running = world.start([
      'exec',
      '--json',
      '--state',
      world.state,
      '--',
      'sh',
      '-c',
      'trap "" INT TERM; echo up >&2; sleep 1000; sleep 1000',
    ])
    await until('the command', () => running.output.stderr.includes('up'))
    running.child.kill('SIGINT')
    const result = await running.result
    assert.equal(result.exitCode, 130, result.stderr)
    const { error } = JSON.parse(result.stdout) as { error: { code: string; exitCode: number } }
    assert.deepEqual([error.code, error.exitCode], ['INTERRUPTED', 130])
    await assertNothingLeft(world)
  })
})

describe('the end of the terminal', () => {
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    test(`${signal} ends the run at once, cleaned up and on record`, async () => {
      const running = await startHeld(world, repository)
      running.child.kill(signal)
      const run = world.parse(await running.result)
      assert.equal(run.exitCode, 130, run.why)
      await assertNothingLeft(world)
      assert.equal((await conclusionsOf(world))[run.document.id], 'cancelled')
    })
  }

  test('a reader of stdout that goes away ends exec and what it runs', async () => {
    const running = world.start(['exec', '--state', world.state, '--', 'sh', '-c', 'while :; do echo line; done'])
    await until('output', () => running.output.stdout.includes('line'))
    running.child.stdout?.destroy()
    const result = await running.result
    assert.notEqual(result.exitCode, 0)
    assert.equal(result.signal, null)
    await assertNothingLeft(world)
  })

  test('a reader of stdout that goes away does not end a run, whose record is whole', async () => {
    const noisy = world.workflow(
      'on: push\njobs: { one: { runs-on: ubuntu-latest, steps: [{ run: "seq 1 200000" }, { run: echo done }] } }\n',
    )
    const running = world.start(['run', '--state', world.state], { cwd: noisy })
    await until('output', () => running.output.stdout.includes('one |'))
    running.child.stdout?.destroy()
    const result = await running.result
    assert.equal(result.exitCode, 0, result.stderr)
    await assertNothingLeft(world)
    const [latest] = Object.entries(await conclusionsOf(world))
    assert.equal(latest?.[1], 'success')
    const log = await world.run(['runs', 'log', latest?.[0] ?? ''])
    assert.match(log.stdout, /\n200000\ndone\n$/)
  })
})

describe('a part of the sandbox that dies under a running job', () => {
  test('PID 1: the job is lost and says so, the run fails and leaves nothing', async () => {
    const running = await startHeld(world, repository)
    const init = sandboxPids(world).find((pid) => commandLine(pid).endsWith(' init'))
    assert.notEqual(init, undefined)
    kill(init ?? -1, 'SIGKILL')
    const run = world.parse(await running.result)
    assert.equal(run.document.jobs[0]?.conclusion, 'failure', run.why)
    assert.notEqual(run.exitCode, 0)
    const finished = run.events.find(({ type }) => type === 'job.finished')
    assert.match(String(finished?.data['message']), /PID 1 of the sandbox ended/)
    await assertNothingLeft(world)
  })
})
