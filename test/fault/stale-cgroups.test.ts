// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { kill } from '../_host.ts'
import { until, World } from '../_world.ts'
import { expectNextRunWorks } from './_faults.ts'

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
