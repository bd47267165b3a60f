// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate } from './_evaluate.ts'
import { OWN_KERNEL_PROFILE } from './own-kernel-profile.ts'
import { JOB_PROFILE } from './profile.ts'

/** x86-64. */
const CALLS = { kill: 62, tkill: 200, tgkill: 234, rt_sigqueueinfo: 129, rt_tgsigqueueinfo: 297, pidfd_open: 434 }

test('nothing names process 1, however the upper half of the register looks; every other process may be', () => {
  for (const [name, number] of Object.entries(CALLS)) {
    for (const pid of [1n, 0xffff_ffff_0000_0001n]) assert.equal(evaluate(OWN_KERNEL_PROFILE, 'x64', number, [pid, 9n, 9n]), 'EPERM', name)
    for (const pid of [0n, 2n, 0xffff_ffffn, 65_535n])
      assert.equal(evaluate(OWN_KERNEL_PROFILE, 'x64', number, [pid, 9n, 9n]), 'allow', name)
  }
})

test('all else is as for other jobs', () => {
  for (let number = 0; number < 500; number++) {
    if (Object.values(CALLS).includes(number)) continue
    assert.equal(evaluate(OWN_KERNEL_PROFILE, 'x64', number, [2n, 2n, 2n]), evaluate(JOB_PROFILE, 'x64', number, [2n, 2n, 2n]))
  }
})
