// SPDX-License-Identifier: Apache-2.0
// All attack programs once more, in a job of an ordinary user (docs/isolation.md, "Without root"): with no cgroup of its own, which is the weakest there is.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildAttacks, parseAttempts } from '@sallyport/testkit'
import { OrdinaryUser } from '../_rootless.ts'
import { until, World } from '../_world.ts'
import { behaviour } from './_suite.ts'

/** Told by an observer: the first here, below; the second is the supervisor's own limit, see output-flood.test.ts. */
const OBSERVED = ['daemonize-outlive', 'log-flood']
/** What `weaker` says that nothing limits. */
const DECLARED = ['memory-bomb']
const BIGGER = {
  ATTACK_PIDS: '200',
  ATTACK_MEMORY_BYTES: String(400 << 20),
  ATTACK_DISK_BYTES: String(128 << 20),
  ATTACK_INODES: '20000',
  ATTACK_DESCRIPTORS: '20000',
}

behaviour(
  {
    name: 'no attack program gets anything in a job of an ordinary user, but memory where no cgroup is its own',
    rows: [1, 3, 17, 24, 30, 34, 35, 36, 37, 38, 39, 45, 46],
  },
  async () => {
    await using world = new World()
    const attack = join(world.directory, 'work', 'attack')
    mkdirSync(join(world.directory, 'work'))
    copyFileSync(await buildAttacks(), attack)
    const user = new OrdinaryUser(world)
    const env = Object.entries(BIGGER).flatMap(([name, value]) => ['--env', `${name}=${value}`])
    const limits = ['--limit', 'pids=150', '--limit', 'disk=64MiB']
    // Where a wall is missing, what gets through meets a network with nothing in it.
    const wrap = user.wrap({ wrap: ['unshare', '--net', '--'] })
    const result = await world.exec(['./attack', '--all'], [...limits, ...env], {
      cwd: join(world.directory, 'work'),
      wrap,
      timeLimitMs: 300_000,
    })
    const attempts = parseAttempts(result.stderr)
    assert.ok(attempts.length > 50, `${attempts.length} attempts; ${result.stderr.slice(-2000)}`)
    const through = attempts.filter(({ id, outcome }) => outcome !== 'refused' && !OBSERVED.includes(id))
    assert.deepEqual(
      through.map(({ id }) => id),
      DECLARED,
      JSON.stringify(through),
    )
    assert.ok(result.document.weaker.some(({ name }) => name === 'memory-limit'))
    await until('the end of all that it left', () => world.marker.pids().length === 0)
  },
)
