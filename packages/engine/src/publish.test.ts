// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive, oneJob } from './_drive.ts'
import type { EngineEvent } from './contract.ts'

const YAML = `${oneJob('- run: a')}  b:\n    runs-on: x\n    needs: a\n    steps:\n      - run: b\n`
const publishing = { input: { publishing: ['a'] } }

/** What job `a` asks for, in order. */
const asked = (commands: ReturnType<typeof drive>['commands']): readonly string[] =>
  commands.flatMap((command) => (command.type !== 'report' && command.type !== 'start-job' && command.job === 'a' ? [command.type] : []))

test('a job that hands something over is asked to after its last step, and only when all is well', () => {
  const driven = drive(YAML, publishing)
  assert.deepEqual(asked(driven.commands), ['start-process', 'publish', 'end-job'])
  assert.equal(driven.result, 'success')
  assert.deepEqual(asked(drive(YAML).commands), ['start-process', 'end-job'])
  assert.deepEqual(asked(drive(YAML, { ...publishing, run: () => ({ exitCode: 1 }) }).commands), ['start-process', 'end-job'])
})

test('what is not published fails the job, and what needs it is skipped', () => {
  const driven = drive(YAML, { ...publishing, publishError: 'the server is gone' })
  assert.equal(driven.result, 'failure')
  assert.equal(driven.jobs['b']?.conclusion, 'skipped')
  const finished = driven.reports.find(({ type, job }) => type === 'job.finished' && job === 'a')
  assert.deepEqual(finished?.data, { ...finished?.data, conclusion: 'failure', message: 'the server is gone' })
})

test('a job that is lost or out of time while it publishes ends at once, and late news changes nothing', () => {
  for (const event of [
    { type: 'job-lost', job: 'a', message: 'gone' },
    { type: 'job-timed-out', job: 'a' },
  ] as const satisfies readonly EngineEvent[]) {
    // After two answers the question that is open is `publish`.
    const driven = drive(YAML, { ...publishing, inject: (answers) => (answers === 2 ? event : null) })
    assert.deepEqual(asked(driven.commands), ['start-process', 'publish', 'end-job'], event.type)
    assert.equal(driven.jobs['a']?.conclusion, 'failure', event.type)
    assert.equal(driven.result, 'failure', event.type)
  }
  const cancelled = drive(YAML, { ...publishing, inject: (answers) => (answers === 2 ? { type: 'cancel' } : null) })
  assert.equal(cancelled.jobs['a']?.conclusion, 'success', 'what is being published is not left half done')
  assert.equal(cancelled.jobs['b']?.conclusion, 'cancelled')
})
