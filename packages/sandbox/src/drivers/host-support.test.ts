// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertCanTellSteps, inspectHost } from './host-support.ts'
import { CRUN, RUNC } from './oci-runtimes.ts'
import { ALL_WALLS } from './walls.ts'

const V1 = 'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n'
const V2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n'

test('the cgroup layout is told from what is mounted', () => {
  assert.equal(inspectHost(`proc /proc proc rw 0 0\n${V1}`).cgroups, 'v1')
  assert.equal(inspectHost(`proc /proc proc rw 0 0\n${V2}`).cgroups, 'v2')
  assert.equal(inspectHost(V1 + V2).cgroups, 'hybrid')
})

test('crun is known not to work on a hybrid host, and runc to work everywhere', () => {
  for (const mounts of [V1, V2, V1 + V2]) {
    const host = inspectHost(mounts)
    assert.equal(RUNC.knownObstacle(host), null)
    assert.equal(CRUN.knownObstacle(host) === null, host.cgroups !== 'hybrid')
  }
})

test('without a hierarchy of version 2 no job gets a network: its steps could not be told apart', () => {
  assert.throws(() => assertCanTellSteps('v1'), { code: 'SANDBOX_UNSUPPORTED', message: /cgroup2/ })
  for (const layout of ['v2', 'hybrid'] as const) assertCanTellSteps(layout)
})

test('the walls of the product are all walls: nothing is changed on the way', () => {
  const bundle = { linux: {} }
  const step = { seccomp: new Uint8Array(), capabilities: 3n, privateFiles: true }
  assert.equal(ALL_WALLS.helper('/helper'), '/helper')
  assert.equal(ALL_WALLS.bundle(bundle), bundle)
  assert.equal(ALL_WALLS.step(step), step)
})
