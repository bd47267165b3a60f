// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepersOf, sandboxPids } from '../_host.ts'
import { until, World } from '../_world.ts'
import { conclusionsOf, expectNextRunWorks, heldRepository, killAndExpectNothing, LONG_JOB, reached, startHeld } from './_faults.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const repository = world.workflow(LONG_JOB)
const start = (): ReturnType<World['start']> => world.start(['run', '--json', '--state', world.state], { cwd: repository })

describe('kill -9 of the supervisor leaves nothing behind', () => {
  const phases: readonly (readonly [name: string, type: string, step?: string])[] = [
    ['when the run is on record', 'run.started'],
    ['while the sandbox is prepared', 'job.preparing'],
    ['when the sandbox has just been checked', 'job.prepared'],
    ['during checkout', 'step.started', '1'],
    ['at the start of a step', 'step.started', '2'],
    ['between two steps', 'step.finished', '2'],
    ['during disposal', 'step.finished', '5'],
    ['right after disposal', 'job.disposed'],
  ]
  for (const [name, type, step] of phases) {
    test(name, async () => {
      const running = start()
      await reached(running, (event) => event.type === type && (step === undefined || event.step === step))
      await killAndExpectNothing(world, running)
    })
  }

  test('while the keeper builds, and during the self-check', async () => {
    for (const phase of ['keeper', 'init'] as const) {
      const running = start()
      await until(phase, () => (phase === 'keeper' ? keepersOf(world) : sandboxPids(world)).length > 0)
      await killAndExpectNothing(world, running)
    }
  })

  test('in a step that holds detached processes, and the run is listed as interrupted with what it did until then', async () => {
    const running = await startHeld(world, heldRepository(world))
    const { run } = await reached(running, () => true)
    await until('PID 1, the step and two detached processes', () => sandboxPids(world).length >= 4)
    await killAndExpectNothing(world, running)
    assert.equal((await conclusionsOf(world))[run], 'interrupted')
    const log = await world.run(['runs', 'log', run])
    assert.match(log.stdout, /ready\n/)
    const shown = await world.run(['runs', 'show', run])
    assert.match(shown.stdout, /interrupted/)
    await expectNextRunWorks(world)
  })

  test('at random moments', async (t) => {
    const begin = performance.now()
    const whole = await start().result
    assert.equal(whole.exitCode, 0, whole.stderr)
    const wholeMs = performance.now() - begin
    const delays = Array.from({ length: 12 }, () => Math.random() * wholeMs)
    t.diagnostic(`delays in ms: ${delays.map(Math.round).join(', ')}`)
    for (const delay of delays) {
      const running = start()
      await sleep(delay)
      await killAndExpectNothing(world, running)
    }
    await expectNextRunWorks(world)
    const conclusions = Object.values(await conclusionsOf(world))
    assert.deepEqual(
      conclusions.filter((conclusion) => !['interrupted', 'success'].includes(conclusion)),
      [],
    )
  })

  test('of exec at random moments', async (t) => {
    const args = ['exec', '--state', world.state, '--', 'sh', '-c', 'setsid sleep 1000 & sleep 0.2']
    const delays = Array.from({ length: 6 }, () => Math.random() * 800)
    t.diagnostic(`delays in ms: ${delays.map(Math.round).join(', ')}`)
    for (const delay of delays) {
      const running = world.start(args)
      await sleep(delay)
      await killAndExpectNothing(world, running)
    }
    await expectNextRunWorks(world)
  })

  test('but half-made caches, which the next run removes once nobody can be making them', async () => {
    const old = ['disks/1-1.ext4.x.partial', 'images/.partial-x'].map((name) => join(world.state, 'sandbox', name))
    const [young] = ['disks/2-2.ext4.y.partial'].map((name) => join(world.state, 'sandbox', name))
    for (const path of [...old, young ?? '']) writeFileSync(path, '')
    for (const path of old) utimesSync(path, new Date(0), new Date(0))
    await expectNextRunWorks(world)
    assert.deepEqual(
      old.filter((path) => existsSync(path)),
      [],
    )
    assert.equal(existsSync(young ?? ''), true)
  })
})
