// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Driven, type DriveOptions, drive, messageOf, oneJob, outcomes, processOf } from './_drive.ts'
import type { EngineCommand, EngineEvent } from './contract.ts'

const CANCEL: EngineEvent = { type: 'cancel' }
const TIMED_OUT: EngineEvent = { type: 'job-timed-out', job: 'a' }
const LOST: EngineEvent = { type: 'job-lost', job: 'a', message: 'PID 1 died' }

/** The event reaches the engine while the step runs. */
function during(step: string, ...before: readonly EngineEvent[]): NonNullable<DriveOptions['run']> {
  return { [`a/${step}`]: { before } }
}

function after(count: number, event: EngineEvent): NonNullable<DriveOptions['inject']> {
  return (answers) => (answers === count ? event : null)
}

function cancelledSteps(commands: readonly EngineCommand[]): readonly string[] {
  return commands.flatMap((command) => (command.type === 'cancel-step' ? [command.step] : []))
}

function jobMessage(driven: Driven): unknown {
  return driven.reports.find(({ type }) => type === 'job.finished')?.data['message']
}

const STEPS = '- run: long\n- run: no\n- if: always()\n  run: clean\n- if: cancelled()\n  run: tell\n- if: failure()\n  run: no'

test('a cancellation stops the running step; always() and cancelled() steps still run', () => {
  const driven = drive(oneJob(STEPS), { run: during('1', CANCEL) })
  assert.deepEqual(cancelledSteps(driven.commands), ['1'])
  assert.deepEqual(outcomes(driven), { 1: 'cancelled', 2: 'skipped', 3: 'success', 4: 'success', 5: 'skipped' })
  assert.equal(driven.jobs['a']?.conclusion, 'cancelled')
  assert.equal(driven.result, 'cancelled')
})

test('a running step whose condition still holds is left alone', () => {
  const driven = drive(oneJob(STEPS), { run: during('3', CANCEL) })
  assert.deepEqual(cancelledSteps(driven.commands), [])
  assert.equal(outcomes(driven)['3'], 'success')
  assert.equal(driven.result, 'cancelled')
})

test('what runs after a cancellation has five minutes in all', () => {
  const driven = drive(oneJob(STEPS), { run: during('1', CANCEL) })
  const limits = ['3', '4'].map((step) => processOf(driven, step).timeoutMs ?? 0)
  assert.ok(limits.every((limit) => limit > 290_000 && limit < 300_000) && (limits[0] ?? 0) > (limits[1] ?? 0), String(limits))
})

test('posts run after a cancellation', () => {
  const action = 'name: n\nruns: { using: node24, main: m.js, post: p.js }\n'
  const driven = drive(oneJob('- uses: ./act\n- run: long'), { actions: { act: action }, run: during('2', CANCEL) })
  assert.deepEqual(driven.order, ['a/1', 'a/2', 'a/1.post'])
})

test('a cancellation inside of a composite action ends its steps but for always() ones', () => {
  const action =
    'name: c\nruns:\n  using: composite\n  steps:\n  - { run: a, shell: sh }\n  - { run: b, shell: sh }\n  - { run: c, shell: sh, if: always() }\n'
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: action }, run: during('1.1', CANCEL) })
  assert.deepEqual(outcomes(driven), { 1: 'cancelled', '1.1': 'cancelled', '1.2': 'skipped', '1.3': 'success' })
})

test('the steps of a composite action that runs as clean-up are not cancelled', () => {
  const action = 'name: c\nruns:\n  using: composite\n  steps:\n  - { run: a, shell: sh }\n  - { run: b, shell: sh }\n'
  const driven = drive(oneJob('- uses: ./act\n  if: always()'), { actions: { act: action }, run: during('1.1', CANCEL) })
  assert.deepEqual(outcomes(driven), { 1: 'success', '1.1': 'success', '1.2': 'success' })
  assert.equal(driven.result, 'cancelled')
})

test('a cancellation while an action is loaded keeps it from starting', () => {
  const action = 'name: n\nruns: { using: node24, main: m.js }\n'
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: action }, inject: after(1, CANCEL) })
  assert.deepEqual(driven.order, [])
  assert.equal(outcomes(driven)['1'], 'cancelled')
})

test('after a cancellation no job starts, not even one with if: always()', () => {
  const yaml = `on: push\njobs:\n  a: { runs-on: x, steps: [{ run: long }] }\n  b: { needs: a, if: always(), runs-on: x, steps: [{ run: no }] }\n`
  const driven = drive(yaml, { run: during('1', CANCEL) })
  assert.deepEqual(driven.order, ['a/1'])
  assert.equal(driven.jobs['b']?.conclusion, 'cancelled')
})

test('a job that is cancelled while its sandbox is built runs no step', () => {
  const driven = drive(oneJob('- if: always()\n  run: no'), { inject: after(0, CANCEL) })
  assert.deepEqual(driven.order, [])
  assert.equal(driven.result, 'cancelled')
})

test('a job that runs out of time is cancelled and counts as failed, with its limit in the message', () => {
  const driven = drive(oneJob(STEPS), { run: during('1', TIMED_OUT) })
  assert.deepEqual(outcomes(driven), { 1: 'cancelled', 2: 'skipped', 3: 'success', 4: 'success', 5: 'skipped' })
  assert.equal(driven.result, 'failure')
  assert.match(String(jobMessage(driven)), /longer than its limit of 6h 00m/)
})

test('a second time-out stops even clean-up, and nothing more starts', () => {
  const driven = drive(oneJob(STEPS), { run: { 'a/1': { before: [TIMED_OUT] }, 'a/3': { before: [TIMED_OUT] } } })
  assert.deepEqual(cancelledSteps(driven.commands), ['1', '3'])
  assert.deepEqual(driven.order, ['a/1', 'a/3'])
  assert.equal(driven.result, 'failure')
})

test('a time-out of a job that is cancelled already stops its clean-up', () => {
  const driven = drive(oneJob(STEPS), { run: { 'a/1': { before: [CANCEL] }, 'a/3': { before: [TIMED_OUT] } } })
  assert.deepEqual(driven.order, ['a/1', 'a/3'])
  assert.equal(driven.result, 'cancelled')
})

test('a lost job fails at once, its step too; later answers are ignored', () => {
  const driven = drive(oneJob('- continue-on-error: true\n  run: x\n- if: always()\n  run: no'), { run: during('1', LOST) })
  assert.deepEqual(driven.order, ['a/1'])
  assert.match(messageOf(driven, '1'), /PID 1 died/)
  assert.equal(jobMessage(driven), 'PID 1 died')
  assert.equal(driven.result, 'failure')
})

test('a job that is lost inside of a composite action ends all its steps', () => {
  const action =
    'name: c\noutputs: { o: { value: "${{ steps.x.outputs.y }}" } }\nruns:\n  using: composite\n  steps:\n  - { run: a, shell: sh }\n  - { run: b, shell: sh, if: always() }\n'
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: action }, run: during('1.1', LOST) })
  assert.deepEqual(driven.order, ['a/1.1'])
  assert.equal(outcomes(driven)['1.1'], 'failure')
  assert.notEqual(outcomes(driven)['1'], 'success')
})

test('a job that is lost after it was cancelled counts as cancelled', () => {
  assert.equal(drive(oneJob('- run: x'), { run: during('1', CANCEL, LOST) }).result, 'cancelled')
})

test('a job lost before or after its steps is closed once', () => {
  for (const at of [0, 1, 2]) {
    const driven = drive(oneJob('- run: x'), { inject: after(at, LOST) })
    assert.equal(driven.commands.filter(({ type }) => type === 'end-job').length, 1, `after ${at} answers`)
  }
})
