// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attribute, type WatchedJob } from './attribution.ts'

const FIRST = 0x70000000 + 3 * 65_536
const JOB: WatchedJob = { job: 'build', cgroup: 'slot3-abc-1', uids: { first: FIRST, count: 65_536 }, pids: new Set([77]) }
const of = (facts: Partial<Parameters<typeof attribute>[0]>): unknown[] => {
  const { of, job, proof } = attribute({ pid: null, uid: null, cgroup: null, ...facts }, [JOB])
  return [of, job, proof]
}

test('a job’s own cgroup proves most, then an id of its range, then the pid of a step', () => {
  assert.deepEqual(of({ cgroup: '/x/sallyport/slot3-abc-1/step-2', uid: 0 }), ['job', 'build', 'cgroup'])
  assert.deepEqual(of({ cgroup: '/sallyport/slot3-abc-1' }), ['job', 'build', 'cgroup'])
  assert.deepEqual(of({ uid: FIRST + 65_535 }), ['job', 'build', 'uid'])
  assert.deepEqual(of({ pid: 77 }), ['job', 'build', 'pid'])
})

test('what names another job is another job’s, whatever pid it names', () => {
  assert.deepEqual(of({ cgroup: '/sallyport/slot3-abc-12', uid: FIRST, pid: 77 }), ['other-job', null, 'cgroup'])
  assert.deepEqual(of({ uid: FIRST + 65_536, pid: 77 }), ['other-job', null, 'uid'])
  assert.deepEqual(of({ uid: FIRST - 1 }), ['other-job', null, 'uid'])
})

test('an id that no job can have is the host’s; nothing, or an unset id, proves nothing', () => {
  assert.deepEqual(of({ uid: 0, pid: 77 }), ['host', null, 'uid'])
  assert.deepEqual(of({ uid: 0x7fff0003 }), ['host', null, 'uid'])
  assert.deepEqual(of({ uid: 0xffffffff }), ['unknown', null, null])
  assert.deepEqual(of({ cgroup: '/system.slice/sallyport/slot3-abc-1x', pid: 78 }), ['other-job', null, 'cgroup'])
  assert.deepEqual(of({ cgroup: '/user.slice/evil', pid: 78 }), ['unknown', null, null])
})
