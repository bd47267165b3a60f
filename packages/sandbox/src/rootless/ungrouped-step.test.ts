// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UngroupedStep } from './ungrouped-step.ts'

test('what was on its way into a step that is killed is ended when it is there', async () => {
  let sweeps = 0
  const step = new UngroupedStep(process.pid, async () => void sweeps++)
  step.begun()
  assert.equal(sweeps, 0)
  await step.kill()
  step.begun()
  assert.equal(sweeps, 2)
})
