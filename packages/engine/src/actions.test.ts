// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive, messageOf, oneJob, outcomes, processOf } from './_drive.ts'

function composite(steps: string, head = ''): string {
  const body = steps
    .trim()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
  return `name: c\n${head}runs:\n  using: composite\n  steps:\n${body}\n`
}

function node(runs: string, inputs = ''): string {
  return `name: n\n${inputs}runs: { using: node24, main: dist/main.js${runs} }\n`
}

test('a composite action runs its steps with inputs, its own steps context, and gives outputs', () => {
  const inner = composite(
    '- id: in\n  run: ${{ inputs.who }} ${{ inputs.greeting }} ${{ steps.outer.outputs.a }}\n  shell: bash',
    'inputs: { who: { required: true }, greeting: { default: "hi ${{ github.repository }}" } }\noutputs: { said: { value: "${{ steps.in.outputs.a }}!" } }\n',
  )
  const driven = drive(
    oneJob('- id: outer\n  uses: ./act\n  with: { WHO: me }\n- run: ${{ steps.outer.outputs.said }} ${{ steps.in.outcome }}'),
    {
      actions: { act: inner },
      run: { 'a/1.1': { files: { output: 'a=said\n' } } },
    },
  )
  assert.deepEqual(driven.order, ['a/1.1', 'a/2'])
  assert.equal(processOf(driven, '1.1').script?.content, 'me hi acme/app ')
  assert.equal(processOf(driven, '1.1').env['GITHUB_ACTION_PATH'], '/work/act')
  assert.equal(processOf(driven, '2').env['GITHUB_ACTION_PATH'], undefined)
  assert.equal(processOf(driven, '2').script?.content, 'said! ')
  assert.deepEqual(outcomes(driven), { 1: 'success', '1.1': 'success', 2: 'success' })
})

test('status functions inside a composite action tell about the action, not about the job', () => {
  const inner = composite('- run: a\n  shell: sh\n- run: b\n  shell: sh\n  if: failure()\n- run: c\n  shell: sh')
  const driven = drive(oneJob('- run: boom\n- if: always()\n  uses: ./act'), {
    actions: { act: inner },
    run: { 'a/1': { exitCode: 1 }, 'a/2.1': { exitCode: 1 } },
  })
  assert.deepEqual(outcomes(driven), { 1: 'failure', 2: 'failure', '2.1': 'failure', '2.2': 'success', '2.3': 'skipped' })
  assert.equal(messageOf(driven, '2'), 'a step of the action failed')
})

test('steps of an action see no secrets context, only what inputs bring, and count as given the secrets of the step', () => {
  const inner = composite('- run: echo ${{ inputs.token }}\n  shell: sh', 'inputs: { token: {}, other: { default: x } }\n')
  const driven = drive(oneJob('- uses: ./act\n  with: { token: "${{ secrets.ONE }}" }'), {
    actions: { act: inner },
    input: { secrets: { ONE: 'first-secret', TWO: 'second' } },
  })
  assert.deepEqual(processOf(driven, '1.1').secrets, ['ONE'])
  assert.equal(processOf(driven, '1.1').script?.content, 'echo first-secret')
})

test('the env of the uses step reaches the steps of the action, under their own', () => {
  const inner = composite('- run: ${{ env.A }} ${{ env.B }}\n  shell: sh\n  env: { B: inner }')
  const { env, script } = processOf(drive(oneJob('- uses: ./act\n  env: { A: outer, B: outer }'), { actions: { act: inner } }), '1.1')
  assert.deepEqual([env['A'], env['B'], script?.content], ['outer', 'inner', 'outer inner'])
})

test('the defaults of the job are not for steps of actions', () => {
  const inner = composite('- run: x\n  shell: bash')
  const driven = drive(oneJob('- uses: ./act', '    defaults: { run: { working-directory: sub, shell: sh } }\n'), {
    actions: { act: inner },
  })
  assert.equal(processOf(driven, '1.1').workingDirectory, '/work')
})

test('composite actions nest ten deep, and no deeper', () => {
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: composite('- uses: ./act') } })
  assert.equal(driven.result, 'failure')
  assert.equal(driven.commands.filter(({ type }) => type === 'load-action').length, 10)
  assert.match(
    driven.reports.map((report) => (report.type === 'step.finished' ? report.data.message : '')).join(),
    /nested more than 10 deep/,
  )
})

test('an action that calls itself many times over meets the limit of steps', () => {
  const inner = composite(Array.from({ length: 6 }, () => '- uses: ./act\n  if: always()').join('\n'))
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: inner } })
  assert.ok((driven.jobs['a']?.steps.length ?? 0) < 10_100)
  assert.match(driven.reports.map((report) => (report.type === 'step.finished' ? report.data.message : '')).join(), /more than 10000 steps/)
})

test('the time limit of a uses step holds for all steps of the action together', () => {
  const inner = composite('- run: a\n  shell: sh\n- run: b\n  shell: sh')
  const driven = drive(oneJob('- uses: ./act\n  timeout-minutes: 1'), { actions: { act: inner } })
  const first = processOf(driven, '1.1').timeoutMs ?? 0
  const second = processOf(driven, '1.2').timeoutMs ?? 0
  assert.ok(first <= 60_000 && second < first)
})

test('a JavaScript action gets its inputs, its state, and its node; pre runs before main, post at the end of the job', () => {
  const action = node(', pre: pre.js, post: dist/post.js', 'inputs: { who: { default: you }, "a b": { default: c } }\n')
  const driven = drive(oneJob('- uses: ./act\n  with: { who: me }\n- run: between'), {
    actions: { act: action },
    run: {
      'a/1.pre': { files: { state: 'p=1\n' } },
      'a/1': {
        files: { state: 'm=2\n' },
        before: [{ type: 'workflow-command', job: 'a', step: '1', command: 'save-state', name: 'c', value: '3' }],
      },
    },
  })
  assert.deepEqual(driven.order, ['a/1.pre', 'a/1', 'a/2', 'a/1.post'])
  const main = processOf(driven, '1')
  assert.deepEqual(main.argv, ['/node', '/work/act/dist/main.js'])
  assert.equal(main.script, null)
  assert.deepEqual(
    [main.env['INPUT_WHO'], main.env['INPUT_A_B'], main.env['STATE_p'], main.env['GITHUB_ACTION_PATH']],
    ['me', 'c', '1', '/work/act'],
  )
  const post = processOf(driven, '1.post')
  assert.deepEqual(
    [post.argv[1], post.env['STATE_p'], post.env['STATE_m'], post.env['STATE_c'], post.env['INPUT_WHO']],
    ['/work/act/dist/post.js', '1', '2', '3', 'me'],
  )
  assert.deepEqual(
    driven.jobs['a']?.steps.map(({ id, name }) => [id, name]),
    [
      ['1', 'Run ./act'],
      ['1.pre', 'Pre Run ./act'],
      ['2', 'Run between'],
      ['1.post', 'Post Run ./act'],
    ],
  )
})

test('posts run in reverse order, also after a failure, also those of actions inside of composite actions', () => {
  const actions = { one: node(', post: p.js'), two: node(', post: p.js'), wrap: composite('- uses: ./two\n  env: { E: inner }') }
  const driven = drive(oneJob('- uses: ./one\n- uses: ./wrap\n  env: { O: outer }\n- run: boom'), {
    actions,
    run: { 'a/3': { exitCode: 1 } },
  })
  assert.deepEqual(driven.order, ['a/1', 'a/2.1', 'a/3', 'a/2.1.post', 'a/1.post'])
  const { env } = processOf(driven, '2.1.post')
  assert.deepEqual([env['E'], env['O']], ['inner', 'outer'])
  assert.equal(driven.result, 'failure')
})

test('post-if decides about a post with the status of the job, and a failed post fails the job', () => {
  const actions = { ok: node(', post: p.js, post-if: success()'), bad: node(', post: p.js, post-if: failure()') }
  const steps = '- uses: ./ok\n- uses: ./bad\n- run: x'
  assert.deepEqual(drive(oneJob(steps), { actions }).order.slice(3), ['a/1.post'])
  assert.deepEqual(drive(oneJob(steps), { actions, run: { 'a/3': { exitCode: 1 } } }).order.slice(3), ['a/2.post'])
  assert.equal(drive(oneJob(steps), { actions, run: { 'a/1.post': { exitCode: 1 } } }).result, 'failure')
})

test('a pre script that fails keeps main and post from running', () => {
  const driven = drive(oneJob('- uses: ./act'), { actions: { act: node(', pre: a.js, post: b.js') }, run: { 'a/1.pre': { exitCode: 1 } } })
  assert.deepEqual(driven.order, ['a/1.pre'])
  assert.deepEqual(outcomes(driven), { 1: 'failure', '1.pre': 'failure' })
})

test('a skipped action has no post', () => {
  assert.deepEqual(drive(oneJob('- uses: ./act\n  if: false'), { actions: { act: node(', post: b.js') } }).order, [])
})

test('an action that is missing or invalid fails its step and says so', () => {
  const driven = drive(oneJob('- uses: ./missing\n- if: always()\n  uses: ./bad'), {
    actions: { bad: 'name: x\nruns: { using: docker, image: x }\n' },
  })
  assert.match(messageOf(driven, '1'), /^ci\.yml:\d+:\d+: Cannot use the action \.\/missing: .*does a checkout step come before it/)
  assert.match(messageOf(driven, '2'), /\.\/bad: .*docker/)
})

test('inputs that an action does not have are warned about, and deprecated ones say so', () => {
  const driven = drive(oneJob('- uses: ./act\n  with: { x: 1, old: 2 }'), {
    actions: { act: node('', 'inputs: { old: { deprecationMessage: use new } }\n') },
  })
  assert.match(driven.warnings[0] ?? '', /no input x; it has old/)
  assert.match(driven.warnings[1] ?? '', /old is deprecated: use new/)
})
