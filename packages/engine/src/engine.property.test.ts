// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Driven, drive, type Exit } from './_drive.ts'
import type { EngineCommand, EngineEvent } from './contract.ts'

const COMPOSITE = `name: c
outputs: { o: { value: "\${{ steps.i.outputs.v }}" } }
runs:
  using: composite
  steps:
  - { id: i, run: a, shell: sh }
  - { uses: ./node, if: always() }
  - { run: "\${{ hashFiles('y') }}", shell: sh, continue-on-error: true }
`
const NODE = 'name: n\nruns: { using: node24, pre: r.js, main: m.js, post: p.js }\n'

const STEP = fc.constantFrom(
  '{ run: x }',
  '{ run: x, if: always() }',
  '{ run: x, if: failure() }',
  '{ run: x, if: cancelled(), timeout-minutes: 1 }',
  '{ run: x, continue-on-error: true }',
  '{ id: s, run: "${{ hashFiles(\'x\') }}" }',
  '{ uses: actions/checkout@v4 }',
  '{ uses: ./node }',
  '{ uses: ./wrap, if: always() }',
  '{ uses: ./wrap, timeout-minutes: 5 }',
  '{ uses: ./missing, continue-on-error: true }',
)
const STRATEGY = fc.constantFrom(
  '',
  'strategy: { matrix: { v: [1, 2, 3] } },',
  'strategy: { matrix: { v: [1, 2] }, fail-fast: false, max-parallel: 1 },',
)
const CONDITION = fc.constantFrom('', 'if: always(),', 'if: failure(),', 'if: "!cancelled()",', 'continue-on-error: true,')

const JOB = fc.record({
  steps: fc.array(STEP, { minLength: 1, maxLength: 4 }),
  strategy: STRATEGY,
  condition: CONDITION,
  needs: fc.array(fc.nat(3), { maxLength: 2 }),
})

const WORKFLOW = fc.array(JOB, { minLength: 1, maxLength: 4 }).map((all) => {
  const lines = all.map(({ steps, strategy, condition, needs }, index) => {
    const earlier = [...new Set(needs.filter((need) => need < index))].map((need) => `j${need}`)
    const needed = earlier.length === 0 ? '' : `needs: [${earlier.join(', ')}],`
    const unique = steps.map((step, at) => step.replace('id: s', `id: s${at}`))
    return `  j${index}: { ${needed} ${strategy} ${condition} outputs: { o: "\${{ join(steps.*.outputs.v) }}" }, runs-on: x, steps: [${unique.join(', ')}] }`
  })
  return `on: push\njobs:\n${lines.join('\n')}\n`
})

const EXIT: fc.Arbitrary<Exit> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  fc.constantFrom<Exit>(
    { exitCode: 1 },
    { ended: 'timed-out', exitCode: 143 },
    { ended: 'limit', exitCode: 137 },
    { ended: 'failed-to-start', exitCode: null },
    { ended: 'cancelled', exitCode: 143 },
    { files: { output: 'v=1\n', env: 'A=1\n', path: '/p\n', state: 's=1\n', summary: 'x' } },
    { files: { output: 'broken' } },
    { files: { env: null } },
  ),
)

interface Play {
  readonly yaml: string
  readonly exits: readonly Exit[]
  readonly picks: readonly number[]
  readonly injected: readonly (readonly [number, number])[]
  readonly jobsMax: number
}

const PLAY: fc.Arbitrary<Play> = fc.record({
  yaml: WORKFLOW,
  exits: fc.array(EXIT, { minLength: 1, maxLength: 12 }),
  picks: fc.array(fc.nat(9), { minLength: 1, maxLength: 12 }),
  injected: fc.array(fc.tuple(fc.nat(15), fc.nat(4)), { maxLength: 2 }),
  jobsMax: fc.integer({ min: 1, max: 4 }),
})

function play({ yaml, exits, picks, injected, jobsMax }: Play): Driven {
  let ran = 0
  let picked = 0
  const started = { job: '' }
  const inject = (answers: number): EngineEvent | null => {
    const kind = injected.find(([at]) => at === answers)?.[1]
    if (kind === undefined) return null
    if (kind >= 2 || started.job === '') return { type: 'cancel' }
    return kind === 0 ? { type: 'job-timed-out', job: started.job } : { type: 'job-lost', job: started.job, message: 'gone' }
  }
  return drive(yaml, {
    input: { jobsMax },
    actions: { node: NODE, wrap: COMPOSITE },
    inject,
    pick: (open) => (picks[picked++ % picks.length] ?? 0) % Math.max(open, 1),
    run: ({ job }) => {
      started.job = job
      return exits[ran++ % exits.length] ?? {}
    },
  })
}

function checkProtocol(commands: readonly EngineCommand[]): void {
  const started = new Set<string>()
  const ended = new Set<string>()
  for (const command of commands) {
    if (command.type === 'start-job') {
      assert.ok(!started.has(command.job.key), `${command.job.key} started twice`)
      started.add(command.job.key)
    } else if (command.type === 'end-job') {
      assert.ok(started.has(command.job) && !ended.has(command.job), `${command.job} ended twice or without a start`)
      ended.add(command.job)
    } else {
      const job = command.type === 'report' ? command.event.job : command.job
      assert.ok(job === undefined || !ended.has(job), `${command.type} for ${job} after its end`)
    }
  }
  assert.deepEqual(ended, started)
}

function checkReports(driven: Driven): void {
  const open = new Set<string>()
  for (const { type, job, step } of driven.reports) {
    const key = `${job}/${step}`
    if (type === 'step.started') {
      assert.ok(!open.has(key), `${key} started twice`)
      open.add(key)
    } else if (type === 'step.finished') assert.ok(open.delete(key), `${key} finished without a start`)
  }
  assert.deepEqual([...open], [], 'steps without an end')
  const finished = driven.reports.flatMap((report) =>
    report.type === 'job.finished' || report.type === 'job.skipped' ? [report.job ?? ''] : [],
  )
  assert.deepEqual([...finished].sort(), Object.keys(driven.jobs).sort())
}

test('any order of answers, failures, cancellations, time-outs and losses: the run ends, each job once, and the same way again', () => {
  fc.assert(
    fc.property(PLAY, (one) => {
      const driven = play(one)
      assert.notEqual(driven.engine.result(), null)
      checkProtocol(driven.commands)
      checkReports(driven)
      assert.deepEqual(play(one).commands, driven.commands)
    }),
    { numRuns: process.env['SLOW'] === '1' ? 5000 : 300 },
  )
})
