// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive, messageOf, oneJob, outcomes, processOf } from './_drive.ts'

test('steps run one after the other, each with its script in its private directory', () => {
  const driven = drive(oneJob('- run: echo one\n- name: second\n  run: echo two'))
  assert.deepEqual(driven.order, ['a/1', 'a/2'])
  assert.deepEqual(processOf(driven, '1').argv, ['bash', '-e', '/step/script.sh'])
  assert.deepEqual(processOf(driven, '1').script, { name: 'script.sh', content: 'echo one' })
  assert.equal(processOf(driven, '1').workingDirectory, '/work')
  assert.equal(driven.result, 'success')
  assert.deepEqual(
    driven.jobs['a']?.steps.map(({ name }) => name),
    ['Run echo one', 'second'],
  )
})

test('after a failure the rest is skipped, but for steps that ask for failure or always', () => {
  const steps =
    '- run: boom\n- run: no\n- if: failure()\n  run: yes\n- if: always()\n  run: yes\n- if: cancelled()\n  run: no\n- if: success()\n  run: no'
  const driven = drive(oneJob(steps), { run: { 'a/1': { exitCode: 3 } } })
  assert.deepEqual(driven.order, ['a/1', 'a/3', 'a/4'])
  assert.deepEqual(outcomes(driven), { 1: 'failure', 2: 'skipped', 3: 'success', 4: 'success', 5: 'skipped', 6: 'skipped' })
  assert.match(messageOf(driven, '1'), /exit code 3/)
  assert.equal(driven.result, 'failure')
})

test('a condition without a status function asks for success first', () => {
  const driven = drive(oneJob("- run: boom\n- if: github.repository == 'acme/app'\n  run: no"), { run: { 'a/1': { exitCode: 1 } } })
  assert.deepEqual(driven.order, ['a/1'])
  const skipped = driven.reports.find(({ type }) => type === 'step.skipped')
  assert.equal(skipped?.data['reason'], "if: success() && github.repository == 'acme/app' is false")
})

test('continue-on-error keeps the outcome and forgives the conclusion', () => {
  const driven = drive(
    oneJob('- id: x\n  run: boom\n  continue-on-error: true\n- run: echo ${{ steps.x.outcome }} ${{ steps.x.conclusion }}'),
    {
      run: { 'a/1': { exitCode: 1 } },
    },
  )
  assert.deepEqual(outcomes(driven), { 1: 'failure/success', 2: 'success' })
  assert.equal(processOf(driven, '2').script?.content, 'echo failure success')
  assert.equal(driven.result, 'success')
})

test('env: the step wins over the job, the job over the workflow, the workflow over --env', () => {
  const yaml = `on: push\nenv: { A: workflow, B: workflow, C: workflow, D: workflow }\n${oneJob('- run: x\n  env: { C: step, E: "${{ env.B }}" }', '    env: { B: job, C: job }\n').slice('on: push\n'.length)}`
  const { env } = processOf(drive(yaml, { input: { env: { D: 'cli', F: 'cli' } } }), '1')
  assert.deepEqual([env['A'], env['B'], env['C'], env['D'], env['E'], env['F']], ['workflow', 'job', 'step', 'workflow', 'job', 'cli'])
})

test('GITHUB_ENV changes later steps, over the job and under the step', () => {
  const driven = drive(oneJob('- run: x\n- run: echo ${{ env.A }}\n  env: { B: step }', '    env: { A: job, B: job }\n'), {
    run: { 'a/1': { files: { env: 'A=file\nB=file\nN<<E\none\ntwo\nE\n' } } },
  })
  const { env, script } = processOf(driven, '2')
  assert.deepEqual([env['A'], env['B'], env['N']], ['file', 'step', 'one\ntwo'])
  assert.equal(script?.content, 'echo file')
})

test('GITHUB_PATH goes before PATH, the newest first, each directory once', () => {
  const driven = drive(oneJob('- run: x\n- run: y\n- run: z\n  env: { PATH: /mine }'), {
    run: { 'a/1': { files: { path: '/one\n/two\n' } }, 'a/2': { files: { path: '/one\n' } } },
  })
  assert.equal(processOf(driven, '1').env['PATH'], '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
  assert.match(processOf(driven, '2').env['PATH'] ?? '', /^\/two:\/one:\/usr\/local\/sbin/)
  assert.equal(processOf(driven, '3').env['PATH'], '/one:/two:/mine')
})

test('outputs come from the file and from the old command, the file wins', () => {
  const command = (name: string, value: string) =>
    ({ type: 'workflow-command', job: 'a', step: '1', command: 'set-output', name, value }) as const
  const driven = drive(oneJob('- id: x\n  run: x\n- run: ${{ steps.x.outputs.a }}-${{ steps.x.outputs.b }}-${{ steps.x.outputs.c }}'), {
    run: { 'a/1': { before: [command('a', '1'), command('b', '2')], files: { output: 'b=file\n' } } },
  })
  assert.equal(processOf(driven, '2').script?.content, '1-file-')
})

test('outputs of commands over the limit fail the step', () => {
  const big = { type: 'workflow-command', job: 'a', step: '1', command: 'set-output', name: 'a', value: 'x'.repeat(700_000) } as const
  const driven = drive(oneJob('- run: x'), { run: { 'a/1': { before: [big, big] } } })
  assert.match(messageOf(driven, '1'), /more than 1048576 characters/)
})

test('a malformed file fails the step and names its line; nothing of it takes effect', () => {
  const driven = drive(oneJob('- run: x\n- if: always()\n  run: y'), { run: { 'a/1': { files: { env: 'A=1\nnonsense\n' } } } })
  assert.deepEqual(outcomes(driven), { 1: 'failure', 2: 'success' })
  assert.match(messageOf(driven, '1'), /\$GITHUB_ENV, line 2/)
  assert.equal(processOf(driven, '2').env['A'], undefined)
})

test('a file over its limit fails the step; a summary over its limit is only dropped', () => {
  const driven = drive(oneJob('- run: x\n- if: always()\n  run: y'), {
    run: { 'a/1': { files: { output: null } }, 'a/2': { files: { summary: null } } },
  })
  assert.match(messageOf(driven, '1'), /\$GITHUB_OUTPUT: it is larger than its limit/)
  assert.equal(outcomes(driven)['2'], 'success')
  assert.match(driven.warnings.join(), /GITHUB_STEP_SUMMARY is dropped/)
})

test('the summary of a step is reported', () => {
  const driven = drive(oneJob('- run: x'), { run: { 'a/1': { files: { summary: '# hi' } } } })
  assert.deepEqual(driven.reports.find(({ type }) => type === 'step.summary')?.data, { markdown: '# hi' })
})

test('each way in which a process can end has its outcome and its message', () => {
  const cases = [
    [{ ended: 'signalled', exitCode: 137 }, 'failure', /signal 9/],
    [{ ended: 'timed-out', exitCode: 143 }, 'failure', /timeout-minutes/],
    [{ ended: 'limit', exitCode: 137, message: 'memory: more than 1 GiB' }, 'failure', /memory: more than 1 GiB/],
    [{ ended: 'failed-to-start', exitCode: null, message: 'no such program: bash' }, 'failure', /no such program/],
    [{ ended: 'cancelled', exitCode: 143 }, 'cancelled', /cancelled/],
  ] as const
  for (const [exit, outcome, words] of cases) {
    const driven = drive(oneJob('- run: x'), { run: { 'a/1': exit } })
    assert.equal(outcomes(driven)['1'], outcome)
    assert.match(messageOf(driven, '1'), words)
    assert.equal(driven.result, outcome)
  }
})

test('timeout-minutes becomes the time limit of the process', () => {
  const driven = drive(oneJob('- run: x\n  timeout-minutes: 2\n- run: y\n- run: z\n  timeout-minutes: ${{ fromJSON(vars.T) }}'), {
    input: { vars: { T: '0' } },
  })
  assert.equal(processOf(driven, '1').timeoutMs, 120_000)
  assert.equal(processOf(driven, '2').timeoutMs, null)
  assert.match(messageOf(driven, '3'), /^ci\.yml:\d+:\d+: expected a number over 0, found 0/)
})

test('shell and working-directory come from the step, the job or the workflow', () => {
  const yaml = `defaults: { run: { shell: sh, working-directory: all } }\n${oneJob('- run: x\n- run: y\n  shell: python\n  working-directory: /abs\n- run: z\n  working-directory: ../up', '    defaults: { run: { working-directory: job } }\n')}`
  const driven = drive(yaml)
  assert.deepEqual([processOf(driven, '1').argv[0], processOf(driven, '1').workingDirectory], ['sh', '/work/job'])
  assert.deepEqual([processOf(driven, '2').argv.at(-1), processOf(driven, '2').workingDirectory], ['/step/script.py', '/abs'])
  assert.equal(processOf(driven, '3').workingDirectory, '/up')
})

test('a shell that does not exist here fails its step and names the line', () => {
  const driven = drive(oneJob('- run: x', '    defaults: { run: { shell: "${{ vars.S }}" } }\n'), { input: { vars: { S: 'cmd' } } })
  assert.match(messageOf(driven, '1'), /^ci\.yml:\d+:.*Windows only/)
})

test('what has no value is not in the environment where scripts ask whether it is there', () => {
  const input = { runner: { os: 'Linux', debug: '' }, github: { action_path: '', base_ref: '' } }
  const { env } = processOf(drive(oneJob('- run: x'), { input }), '1')
  assert.deepEqual([env['RUNNER_DEBUG'], env['GITHUB_ACTION_PATH'], env['GITHUB_BASE_REF']], [undefined, undefined, ''])
  const debug = processOf(drive(oneJob('- run: x'), { input: { runner: { debug: '1' } } }), '1')
  assert.equal(debug.env['RUNNER_DEBUG'], '1')
})

test('the environment has the documented variables, and neither the token nor a way to override them', () => {
  const { env } = processOf(
    drive(oneJob('- id: me\n  run: x\n  env: { GITHUB_SHA: forged, RUNNER_OS: forged, GITHUB_TOKEN: mine, CI: "no" }')),
    '1',
  )
  assert.equal(env['CI'], 'no')
  assert.equal(env['GITHUB_TOKEN'], 'mine')
  const expected = {
    GITHUB_ACTIONS: 'true',
    GITHUB_SHA: 'c0ffee',
    GITHUB_REPOSITORY: 'acme/app',
    GITHUB_WORKSPACE: '/work',
    GITHUB_EVENT_PATH: '/event.json',
    GITHUB_ENV: '/step/env',
    GITHUB_OUTPUT: '/step/output',
    GITHUB_PATH: '/step/path',
    GITHUB_STATE: '/step/state',
    GITHUB_STEP_SUMMARY: '/step/summary',
    GITHUB_ACTION: 'me',
    GITHUB_JOB: 'a',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: '/temp',
    RUNNER_TOOL_CACHE: '/tools',
    HOME: '/home',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(env[name], value, name)
  assert.ok(!Object.values(env).includes('never'))
})

test('github.action is the id, or a name that is unique in the job', () => {
  const driven = drive(oneJob('- run: a\n- id: x\n  run: b\n- run: ${{ github.action }}'))
  assert.equal(processOf(driven, '1').env['GITHUB_ACTION'], '__run')
  assert.equal(processOf(driven, '3').script?.content, '__run_2')
})

test('a step sees only the secrets that it names, and is said to have been given only those', () => {
  const secrets = { ONE: 'first-secret', TWO: 'second-secret' }
  const driven = drive(oneJob('- run: x\n  env: { T: "${{ secrets.ONE }}" }\n- run: y\n- run: ${{ secrets.MISSING }}'), {
    input: { secrets },
  })
  assert.deepEqual(processOf(driven, '1').secrets, ['ONE'])
  assert.equal(processOf(driven, '1').env['T'], 'first-secret')
  assert.deepEqual(processOf(driven, '2').secrets, [])
  assert.deepEqual(processOf(driven, '3').secrets, [])
  assert.ok(!JSON.stringify(driven.started).includes('second-secret'))
})

test('a secret in the env of the job is given to each step', () => {
  const driven = drive(oneJob('- run: x', '    env: { T: "${{ secrets.ONE }}" }\n'), { input: { secrets: { ONE: 'first-secret' } } })
  assert.deepEqual(processOf(driven, '1').secrets, ['ONE'])
  assert.equal(processOf(driven, '1').env['T'], 'first-secret')
})

test('reports hold no secret: names are computed without, messages are withheld', () => {
  const secrets = { ONE: 'first-secret' }
  const steps =
    '- name: "use ${{ secrets.ONE }}"\n  run: x\n- run: ${{ fromJSON(secrets.ONE) }}\n- if: always()\n  name: "${{ env.T }}"\n  run: y\n  env: { T: "${{ secrets.ONE }}" }'
  const driven = drive(oneJob(steps), { input: { secrets } })
  assert.ok(!JSON.stringify(driven.reports).includes('first-secret'))
  assert.equal(driven.jobs['a']?.steps[0]?.name, 'use')
  assert.equal(outcomes(driven)['2'], 'failure')
  assert.match(messageOf(driven, '2'), /withheld/)
})

test('no message holds the start of a long secret', () => {
  const secret = `head-of-it${'x'.repeat(5000)}`
  const driven = drive(
    oneJob('- run: ${{ fromJSON(secrets.ONE) }}\n- if: always()\n  run: ${{ env.T }}\n  env: { T: "${{ secrets.ONE }}" }'),
    { input: { secrets: { ONE: secret } } },
  )
  assert.ok(!JSON.stringify(driven.reports).includes('head-of'))
})

test('an expression that fails, fails its step with file and line, and env before if', () => {
  const driven = drive(
    oneJob(
      '- run: ${{ fromJSON(vars.BAD) }}\n- if: always()\n  run: y\n  env: { A: "${{ fromJSON(vars.BAD) }}" }\n- if: ${{ fromJSON(vars.BAD) || always() }}\n  run: z',
    ),
    {
      input: { vars: { BAD: '{' } },
    },
  )
  assert.deepEqual(driven.order, [])
  for (const step of ['1', '2', '3']) assert.match(messageOf(driven, step), /^ci\.yml:\d+:\d+: /)
})

test('a value with a NUL never reaches a process', () => {
  const driven = drive(oneJob('- run: x\n  env: { A: "${{ fromJSON(vars.N) }}" }'), { input: { vars: { N: '"\\u0000"' } } })
  assert.match(messageOf(driven, '1'), /"A": its value contains a NUL/)
})

test('hashFiles asks the host once for each set of patterns of a step, then goes on', () => {
  const steps = "- if: hashFiles('a') == 'H(a)'\n  run: ${{ hashFiles('a') }} ${{ hashFiles('b', 'c') }}\n- run: ${{ hashFiles('a') }}"
  const driven = drive(oneJob(steps), { hash: (patterns) => ({ hash: `H(${patterns.join('+')})`, error: null }) })
  assert.equal(processOf(driven, '1').script?.content, 'H(a) H(b+c)')
  assert.equal(driven.commands.filter(({ type }) => type === 'hash-files').length, 3)
})

test('a hash that cannot be made fails the step', () => {
  const driven = drive(oneJob("- run: ${{ hashFiles('**') }}"), { hash: () => ({ hash: '', error: 'too many files' }) })
  assert.match(messageOf(driven, '1'), /^ci\.yml:.*hash the files \*\*: too many files/)
})

test('checkout is asked for with its documented defaults, and its outputs are those of the action', () => {
  const driven = drive(
    oneJob(
      '- id: c\n  uses: actions/checkout@v4\n  with: { Path: sub, nonsense: 1 }\n- run: ${{ steps.c.outputs.commit }} ${{ steps.c.outputs.ref }}',
    ),
  )
  const command = driven.commands.find((one) => one.type === 'checkout')
  assert.deepEqual([command?.inputs['path'], command?.inputs['fetch-depth'], command?.inputs['submodules']], ['sub', '1', 'false'])
  assert.match(driven.warnings.join(), /no input nonsense/)
  assert.equal(processOf(driven, '2').script?.content, 'c0ffee refs/heads/main')
})

test('a checkout that fails, fails its step', () => {
  const driven = drive(oneJob('- uses: actions/checkout@v4'), { checkoutError: 'no such ref' })
  assert.equal(messageOf(driven, '1'), 'no such ref')
})

test('contexts have what is documented for a step', () => {
  const steps =
    '- run: ${{ github.event.number }} ${{ job.status }} ${{ runner.os }} ${{ runner.temp }} ${{ strategy.job-total }} ${{ github.workspace }} ${{ vars.V }} ${{ inputs.I }} ${{ matrix.x }}'
  const driven = drive(oneJob(steps), { input: { vars: { V: 'v' }, inputs: { I: true } } })
  assert.equal(processOf(driven, '1').script?.content, '7 success Linux /temp 1 /work v true ')
})
