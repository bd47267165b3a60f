// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkflowPlan } from '@sallyport/workflow'
import { stepIdOf } from './step-id.ts'

const plan = {
  jobs: [
    { id: 'build', steps: [{ id: null }, { id: 'publish' }] },
    { id: 'test', steps: [{ id: 'first' }] },
  ],
} as unknown as WorkflowPlan

test('a step is found by its number in its own job', () => {
  assert.deepEqual([stepIdOf(plan, 'build', '1'), stepIdOf(plan, 'build', '2'), stepIdOf(plan, 'test', '1')], [null, 'publish', 'first'])
})

test("what runs for a step is that step: an action's own steps, at any depth, and its clean-up", () => {
  for (const key of ['2.1', '2.10.3', '2.pre', '2.post', '2.1.post']) assert.equal(stepIdOf(plan, 'build', key), 'publish')
})

test('what no workflow has is no step', () => {
  for (const key of ['', '0', '3', 'x', '-1']) assert.equal(stepIdOf(plan, 'build', key), null)
  assert.equal(stepIdOf(plan, 'other', '1'), null)
})
