// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { keepersOf, kill, sandboxPids } from '../_host.ts'
import { until, World } from '../_world.ts'
import { expectNextRunWorks, heldRepository, startHeld } from './_faults.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

test('cgroups and a process that a killed keeper left are removed by the next keeper of their id range', async () => {
  const stale = leaveStaleCgroups()
  const left = spawn('/bin/sh', ['-c', `echo $$ > ${stale[0]}/step-1/cgroup.procs && exec sleep 3600`], { stdio: 'ignore' })
  const ended = new Promise((resolve) => left.once('exit', resolve))
  try {
    await until('the process', () => readFileSync(`${stale[0]}/step-1/cgroup.procs`, 'utf8') !== '')
    await expectNextRunWorks(world)
    assert.deepEqual(
      stale.filter((path) => existsSync(path)),
      [],
    )
    await ended
  } finally {
    kill(left.pid ?? -1, 'SIGKILL')
    for (const path of stale.filter((path) => existsSync(path))) rmdirSync(path)
  }
})

describe('a keeper that is killed under a running job', () => {
  test('alone: the job is lost and says so, and the next sandbox removes what only the keeper could have', async () => {
    const running = await startHeld(world, heldRepository(world))
    const [keeper] = keepersOf(world)
    kill(keeper?.pid ?? -1, 'SIGKILL')
    const run = world.parse(await running.result)
    assert.equal(run.document.jobs[0]?.conclusion, 'failure', run.why)
    const finished = run.events.find(({ type }) => type === 'job.finished')
    // Of whoever hears of it first: what watches the keeper, or what asks it to close the network of the step that has ended with it.
    assert.match(String(finished?.data['message']), /the keeper of the sandbox ended|the sandbox is gone/)
    await expectNextRunWorks(world)
  })

  test('with its supervisor: no process stays, and the next sandbox removes the cgroups', async () => {
    const running = await startHeld(world, heldRepository(world))
    const [keeper] = keepersOf(world)
    kill(keeper?.pid ?? -1, 'SIGKILL')
    running.child.kill('SIGKILL')
    await running.result
    await until('the end of every process', () => sandboxPids(world).length === 0 && world.marker.pids().length === 0)
    await expectNextRunWorks(world)
  })
})

/** As a killed keeper of the lowest free id range would leave them. */
function leaveStaleCgroups(): string[] {
  const locked = readFileSync('/proc/locks', 'utf8')
  const isFree = (slot: number): boolean => !locked.includes(`:${inodeOf(`/run/sallyport/slots/${slot}`)} `)
  const slot = [...Array(64).keys()].find(isFree)
  return ['unified', 'pids', 'memory', 'freezer', '.']
    .map((name) => join('/sys/fs/cgroup', name, 'sallyport'))
    .filter((path) => existsSync(path))
    .map((parent) => {
      const path = join(parent, `slot${slot}-stale-${process.pid}`)
      mkdirSync(join(path, 'step-1'), { recursive: true })
      return path
    })
}

function inodeOf(path: string): string {
  return String(existsSync(path) ? statSync(path).ino : -1)
}
