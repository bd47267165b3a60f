// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Driven, drive, engineInput, HOST_IMAGE, oneJob, outcomes, processOf } from './_drive.ts'
import { createEngine } from './engine.ts'
import { previewMatrix } from './job-expansion.ts'

function jobs(text: string): string {
  return `on: push\njobs:\n${text
    .trim()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')}\n`
}

const STEPS = 'runs-on: x, steps: [{ run: x }]'

function conclusions(driven: Driven): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.values(driven.jobs).map(({ key, conclusion }) => [key, conclusion]))
}

function startOrder(driven: Driven): readonly string[] {
  return driven.commands.flatMap((command) =>
    command.type === 'start-job' ? [command.job.key] : command.type === 'end-job' ? [`-${command.job}`] : [],
  )
}

test('a job starts when all that it needs is closed', () => {
  const driven = drive(jobs(`c: { needs: [a, b], ${STEPS} }\na: { ${STEPS} }\nb: { ${STEPS} }`))
  const order = startOrder(driven)
  assert.ok(order.indexOf('c') > order.indexOf('-a') && order.indexOf('c') > order.indexOf('-b'))
  assert.equal(driven.result, 'success')
})

test('a failure skips what needs it, through several jobs, but not what asks for always or failure', () => {
  const driven = drive(
    jobs(
      `a: { ${STEPS} }\nb: { needs: a, ${STEPS} }\nc: { needs: b, ${STEPS} }\nd: { needs: c, if: always(), ${STEPS} }\ne: { needs: c, if: failure(), ${STEPS} }\nf: { needs: d, ${STEPS} }`,
    ),
    { run: { 'a/1': { exitCode: 1 } } },
  )
  assert.deepEqual(conclusions(driven), { a: 'failure', b: 'skipped', c: 'skipped', d: 'success', e: 'success', f: 'skipped' })
  assert.equal(driven.result, 'failure')
})

test('a skipped ancestor makes success() false for all that comes after it, as on GitHub', () => {
  const driven = drive(
    jobs(
      `a: { if: false, ${STEPS} }\nb: { needs: a, if: always(), ${STEPS} }\nc: { needs: b, ${STEPS} }\nd: { needs: b, if: "!failure() && !cancelled()", ${STEPS} }`,
    ),
  )
  assert.deepEqual(conclusions(driven), { a: 'skipped', b: 'success', c: 'skipped', d: 'success' })
  assert.equal(driven.result, 'success')
})

test('outputs of a job reach the jobs that need it', () => {
  const yaml = jobs(
    `a:\n  runs-on: x\n  outputs: { v: "\${{ steps.s.outputs.v }}" }\n  steps: [{ id: s, run: x }]\nb:\n  needs: a\n  runs-on: "\${{ needs.a.outputs.v }}"\n  steps: [{ run: "\${{ needs.a.outputs.v }} \${{ needs.a.result }}" }]`,
  )
  const driven = drive(yaml, { run: { 'a/1': { files: { output: 'v=hello\n' } } } })
  assert.equal(processOf(driven, '1', 'b').script?.content, 'hello success')
  const started = driven.commands.find((command) => command.type === 'start-job' && command.job.key === 'b')
  assert.deepEqual(started?.type === 'start-job' && started.job.runsOn, ['hello'])
  assert.deepEqual(driven.jobs['a']?.outputs, { v: 'hello' })
})

test('an output that holds a secret is dropped with a warning', () => {
  const yaml = oneJob('- run: x', '    outputs: { s: "x${{ secrets.ONE }}", t: fine }\n')
  const driven = drive(yaml, { input: { secrets: { ONE: 'first-secret' } } })
  assert.deepEqual(driven.jobs['a']?.outputs, { t: 'fine' })
  assert.match(driven.warnings.join(), /output s is dropped/)
})

test('outputs over the documented limit fail the job clearly', () => {
  const yaml = oneJob('- id: s\n  run: x', '    outputs: { v: "${{ steps.s.outputs.v }}" }\n')
  const driven = drive(yaml, { run: { 'a/1': { files: { output: `v=${'x'.repeat(600_000)}\n` } } } })
  assert.equal(driven.result, 'failure')
  const finished = driven.reports.find(({ type }) => type === 'job.finished')
  assert.match(String(finished?.data['message']), /make 1200002 bytes, the outputs of a job can have 1048576/)
})

test('each combination of a matrix is a job of its own, with its name, key, contexts and count', () => {
  const yaml = jobs(
    't:\n  strategy: { matrix: { os: [a, b], v: [1, 2], exclude: [{ os: b, v: 2 }] } }\n  runs-on: ${{ matrix.os }}\n  steps: [{ run: "${{ matrix.v }} ${{ strategy.job-index }}/${{ strategy.job-total }}" }]',
  )
  const driven = drive(yaml)
  assert.deepEqual(Object.keys(driven.jobs), ['t (a, 1)', 't (a, 2)', 't (b, 1)'])
  assert.equal(processOf(driven, '1', 't (b, 1)').script?.content, '1 2/3')
  assert.deepEqual(driven.jobs['t (a, 2)']?.matrix, { os: 'a', v: 2 })
})

test('a name that is computed stands alone, any other is followed by the values', () => {
  const matrix = 'strategy: { matrix: { v: [1] } }'
  const driven = drive(jobs(`a: { name: Fixed, ${matrix}, ${STEPS} }\nb: { name: "v\${{ matrix.v }}", ${matrix}, ${STEPS} }`))
  assert.deepEqual(
    Object.values(driven.jobs).map(({ name }) => name),
    ['Fixed (1)', 'v1'],
  )
})

test('a matrix can come from the output of another job, and a bad one fails the job with its place', () => {
  const yaml = jobs(
    'a:\n  runs-on: x\n  outputs: { m: "${{ steps.s.outputs.m }}" }\n  steps: [{ id: s, run: x }]\nb:\n  needs: a\n  strategy: { matrix: "${{ fromJSON(needs.a.outputs.m) }}" }\n  runs-on: x\n  steps: [{ run: x }]',
  )
  const driven = drive(yaml, { run: { 'a/1': { files: { output: 'm={"x":[1,2]}\n' } } } })
  assert.deepEqual(Object.keys(driven.jobs), ['a', 'b (1)', 'b (2)'])
  const bad = drive(yaml, { run: { 'a/1': { files: { output: 'm={"x":3}\n' } } } })
  assert.deepEqual(conclusions(bad), { a: 'success', b: 'failure' })
  const finished = bad.reports.find(({ type, job }) => type === 'job.finished' && job === 'b')
  assert.match(String(finished?.data['message']), /^ci\.yml:9:\d+: .*matrix\.x: expected a sequence/)
})

test('values that look alike, control characters and long values still give unique and printable keys', () => {
  const yaml = jobs(`t:\n  strategy: { matrix: "\${{ fromJSON(vars.M) }}" }\n  ${STEPS.replace(', steps', '\n  steps')}`)
  const driven = drive(yaml, { input: { vars: { M: JSON.stringify({ v: ['a', 'a', '\u001b[2J\n', 'x'.repeat(300)] }) } } })
  const keys = Object.keys(driven.jobs)
  assert.deepEqual(keys.slice(0, 3), ['t (a)', 't (a) #2', 't ( [2J )'])
  assert.ok((keys[3]?.length ?? 0) <= 100)
})

test('outputs of a matrix: the last one that is not empty wins', () => {
  const yaml = jobs(
    't:\n  strategy: { matrix: { v: [1, 2, 3] } }\n  runs-on: x\n  outputs: { o1: "${{ steps.s.outputs.o1 }}", o2: "${{ steps.s.outputs.o2 }}" }\n  steps: [{ id: s, run: x }]\nu:\n  needs: t\n  runs-on: x\n  steps: [{ run: "${{ toJSON(needs.t.outputs) }}" }]',
  )
  const driven = drive(yaml, {
    run: {
      't (1)/1': { files: { output: 'o1=one\n' } },
      't (2)/1': { files: { output: 'o2=two\n' } },
      't (3)/1': { files: { output: 'o2=three\n' } },
    },
  })
  assert.deepEqual(JSON.parse(processOf(driven, '1', 'u').script?.content ?? ''), { o1: 'one', o2: 'three' })
})

const MATRIX = 'strategy: { matrix: { v: [1, 2, 3] }'

test('fail-fast, the default, cancels the other jobs of the matrix, running or queued', () => {
  const driven = drive(jobs(`t: { ${MATRIX} }, ${STEPS} }\nu: { ${STEPS} }`), {
    input: { jobsMax: 2 },
    run: { 't (1)/1': { exitCode: 1 } },
  })
  assert.deepEqual(conclusions(driven), { 't (1)': 'failure', 't (2)': 'cancelled', 't (3)': 'cancelled', u: 'success' })
  assert.ok(!startOrder(driven).includes('t (3)'))
  assert.equal(driven.result, 'failure')
})

test('without fail-fast the others go on', () => {
  const driven = drive(jobs(`t: { ${MATRIX}, fail-fast: false }, ${STEPS} }`), { run: { 't (1)/1': { exitCode: 1 } } })
  assert.deepEqual(conclusions(driven), { 't (1)': 'failure', 't (2)': 'success', 't (3)': 'success' })
})

test('continue-on-error of a job forgives it: no fail-fast, success for what needs it and for the run', () => {
  const yaml = jobs(
    `t: { ${MATRIX} }, continue-on-error: "\${{ matrix.v == 1 }}", ${STEPS} }\nu:\n  needs: t\n  runs-on: x\n  steps: [{ run: "\${{ needs.t.result }}" }]`,
  )
  const driven = drive(yaml, { run: { 't (1)/1': { exitCode: 1 } } })
  assert.deepEqual(conclusions(driven), { 't (1)': 'failure', 't (2)': 'success', 't (3)': 'success', u: 'success' })
  assert.equal(processOf(driven, '1', 'u').script?.content, 'success')
  assert.equal(driven.result, 'success')
})

test('max-parallel and the limit of the run are kept at every moment', () => {
  const yaml = jobs(`t: { ${MATRIX}, max-parallel: 2 }, ${STEPS} }\nu: { ${STEPS} }\nv: { ${STEPS} }`)
  for (const [jobsMax, expectAll, expectT] of [
    [1, 1, 1],
    [3, 3, 2],
    [9, 4, 2],
  ] as const) {
    let all = 0
    let ofT = 0
    let most = [0, 0]
    for (const command of startOrder(drive(yaml, { input: { jobsMax } }))) {
      const step = command.startsWith('-') ? -1 : 1
      all += step
      if (command.replace('-', '').startsWith('t')) ofT += step
      most = [Math.max(most[0] ?? 0, all), Math.max(most[1] ?? 0, ofT)]
    }
    assert.ok((most[0] ?? 9) <= expectAll && (most[1] ?? 9) <= expectT, `${jobsMax}: ${most}`)
  }
})

test('--job runs that job and what it needs, and lists nothing else', () => {
  const driven = drive(jobs(`a: { ${STEPS} }\nb: { needs: a, ${STEPS} }\nc: { needs: b, ${STEPS} }\nd: { ${STEPS} }`), {
    input: { onlyJob: 'b' },
  })
  assert.deepEqual(Object.keys(driven.jobs), ['a', 'b'])
})

test('--matrix keeps the combinations that match, and leaves matrices without that key alone', () => {
  const yaml = jobs(`a: { strategy: { matrix: { os: [x, y] } }, ${STEPS} }\nt: { ${MATRIX} }, ${STEPS} }`)
  assert.deepEqual(Object.keys(drive(yaml, { input: { onlyMatrix: { v: '2' } } }).jobs), ['a (x)', 'a (y)', 't (2)'])
  assert.deepEqual(conclusions(drive(yaml, { input: { onlyMatrix: { v: '9' } } })), {
    'a (x)': 'success',
    'a (y)': 'success',
    t: 'skipped',
  })
})

test('the time limit of a job is its own, or six hours', () => {
  const driven = drive(jobs(`a: { ${STEPS} }\nb: { timeout-minutes: 2, ${STEPS} }\nc: { timeout-minutes: 99999999, ${STEPS} }`))
  const limits = driven.commands.flatMap((command) => (command.type === 'start-job' ? [command.job.timeoutMs] : []))
  assert.deepEqual(limits, [21_600_000, 120_000, 2 ** 31 - 1])
})

test('a refused job fails without running a step, and is closed', () => {
  const driven = drive(oneJob('- run: x'), { refuse: ['a'] })
  assert.deepEqual(startOrder(driven), ['a', '-a'])
  assert.equal(driven.result, 'failure')
  assert.equal(driven.reports.find(({ type }) => type === 'job.finished')?.data['message'], 'no walls')
})

test('what cannot be evaluated before the start fails the job without a sandbox', () => {
  for (const extra of [
    '    env: { A: "${{ fromJSON(vars.BAD) }}" }\n',
    '    timeout-minutes: ${{ fromJSON(vars.BAD) }}\n',
    '    if: fromJSON(vars.BAD)\n',
    '    name: ${{ fromJSON(vars.BAD) }}\n',
  ]) {
    const driven = drive(oneJob('- run: x', extra), { input: { vars: { BAD: '{' } } })
    assert.equal(driven.result, 'failure', extra)
    assert.deepEqual(startOrder(driven), [])
    assert.match(String(driven.reports.find(({ type }) => type === 'job.finished')?.data['message']), /^ci\.yml:5:/)
  }
})

test('the message of a job that cannot start holds no secret', () => {
  const driven = drive(oneJob('- run: x', '    env: { A: "${{ fromJSON(secrets.ONE) }}" }\n'), {
    input: { secrets: { ONE: 'first-secret' } },
  })
  assert.equal(driven.result, 'failure')
  assert.ok(!JSON.stringify(driven.reports).includes('first-se'))
})

test('a run whose jobs are all skipped is skipped, and one without jobs ends at once', () => {
  assert.equal(drive(oneJob('- run: x', '    if: false\n')).result, 'skipped')
  assert.equal(drive(oneJob('- run: x'), { input: { onlyJob: 'none' } }).result, 'skipped')
})

test('a cycle or an unknown need that reached the engine ends as a failure', () => {
  const input = engineInput(jobs(`a: { ${STEPS} }\nb: { ${STEPS} }`))
  const [a, b] = input.workflow.jobs
  assert.ok(a !== undefined && b !== undefined)
  const engine = createEngine({
    ...input,
    workflow: {
      ...input.workflow,
      jobs: [
        { ...a, needs: ['b'] },
        { ...b, needs: ['a', 'zzz'] },
      ],
    },
  })
  engine.handle({ type: 'start' }, 0)
  assert.equal(engine.result(), 'failure')
})

test('jobs are known before the start, for lists', () => {
  const input = engineInput(
    jobs(
      `a: { name: One, ${STEPS} }\nt: { ${MATRIX} }, ${STEPS} }\nn: { needs: a, strategy: { matrix: "\${{ fromJSON(needs.a.outputs.m) }}" }, ${STEPS} }`,
    ),
  )
  assert.deepEqual(
    createEngine(input)
      .jobs()
      .map(({ key, name }) => [key, name]),
    [
      ['a', 'One'],
      ['t', 't'],
      ['n', 'n'],
    ],
  )
  assert.deepEqual(
    input.workflow.jobs.map((job) => previewMatrix(input, job)),
    [[{}], [{ v: 1 }, { v: 2 }, { v: 3 }], null],
  )
})

test('an event that answers no question is a mistake of the host', () => {
  const engine = createEngine(engineInput(oneJob('- run: x')))
  engine.handle({ type: 'start' }, 0)
  assert.throws(() => engine.handle({ type: 'start' }, 0), TypeError)
  assert.throws(() => engine.handle({ type: 'job-started', job: 'b', image: HOST_IMAGE }, 0), TypeError)
  engine.handle({ type: 'job-started', job: 'a', image: HOST_IMAGE }, 0)
  assert.throws(() => engine.handle({ type: 'checkout-done', job: 'a', step: '1', error: null, ref: '', commit: '' }, 0), TypeError)
  assert.throws(() => engine.handle({ type: 'job-closed', job: 'a' }, 0), TypeError)
})

test('a job with a run step reports its start, its steps and its end in order', () => {
  const driven = drive(oneJob('- run: x'))
  assert.deepEqual(
    driven.reports.map(({ type }) => type),
    ['job.queued', 'step.started', 'step.finished', 'job.finished', 'run.finished'],
  )
  assert.deepEqual(outcomes(driven), { 1: 'success' })
})
