// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

// Debian has no `python` unless it is asked for
const python = existsSync('/usr/bin/python') ? 'python' : 'python3 {0}'

const conclusions = (run: Awaited<ReturnType<World['runJson']>>): Record<string, string> =>
  Object.fromEntries(run.document.jobs.map((job) => [job.key, job.conclusion]))

describe('jobs', () => {
  test('pass outputs on through needs, in a matrix with include and exclude, and keep to their conditions', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        first:
          runs-on: ubuntu-latest
          outputs: { list: "\${{ steps.make.outputs.list }}", note: "\${{ steps.make.outputs.note }}" }
          steps:
            - id: make
              run: |
                echo 'list=[1,2]' >> "$GITHUB_OUTPUT"
                printf 'note<<END\\ntwo\\nlines\\nEND\\n' >> "$GITHUB_OUTPUT"
        each:
          needs: first
          runs-on: ubuntu-latest
          strategy:
            matrix:
              n: \${{ fromJSON(needs.first.outputs.list) }}
              os: [a, b]
              exclude: [{ n: 2, os: b }]
              include: [{ n: 1, os: a, extra: yes }]
          steps:
            - { env: { NOTE: '\${{ toJSON(needs.first.outputs.note) }}' }, run: 'printf "%s|" "\${{ matrix.n }}" "\${{ matrix.os }}" "\${{ matrix.extra }}" "$NOTE"' }
        never:
          if: github.event_name == 'release'
          runs-on: ubuntu-latest
          steps: [{ run: 'exit 1' }]
        after-never:
          needs: never
          runs-on: ubuntu-latest
          steps: [{ run: 'exit 1' }]
        broken:
          runs-on: ubuntu-latest
          continue-on-error: true
          steps: [{ run: 'exit 7' }]
        after-broken:
          needs: [broken, never]
          if: always()
          runs-on: ubuntu-latest
          steps: [{ run: 'echo "\${{ needs.broken.result }} \${{ needs.never.result }}"' }]
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    assert.deepEqual(conclusions(run), {
      first: 'success',
      'each (1, a)': 'success',
      'each (1, b)': 'success',
      'each (2, a)': 'success',
      never: 'skipped',
      'after-never': 'skipped',
      broken: 'failure',
      'after-broken': 'success',
    })
    assert.deepEqual(run.document.jobs[0]?.outputs, { list: '[1,2]', note: 'two\nlines' })
    assert.equal(run.output('each (1, a)', '1'), '1|a|yes|"two\\nlines"|')
    assert.equal(run.output('after-broken', '1'), 'success skipped\n')
    await assertNothingLeft(world)
  })

  test('fail the run with 1, cancel the rest of their matrix, and run failure() and always() steps', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        matrix:
          runs-on: ubuntu-latest
          strategy: { max-parallel: 1, matrix: { n: [1, 2, 3] } }
          steps:
            - run: exit \${{ matrix.n }}
            - run: echo not reached
            - { if: failure(), run: echo failed }
            - { if: always(), run: echo always }
            - { if: cancelled(), run: echo cancelled }
        dependent:
          needs: matrix
          runs-on: ubuntu-latest
          steps: [{ run: echo never }]
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 1, run.why)
    assert.deepEqual(conclusions(run), {
      'matrix (1)': 'failure',
      'matrix (2)': 'cancelled',
      'matrix (3)': 'cancelled',
      dependent: 'skipped',
    })
    const steps = run.document.jobs[0]?.steps.map(({ conclusion }) => conclusion)
    assert.deepEqual(steps, ['failure', 'skipped', 'success', 'success', 'skipped'])
  })
})

describe('steps', () => {
  test('get env, defaults, shells and working directories in the documented order of precedence', async () => {
    const repository = world.workflow(
      `
      on: push
      env: { A: workflow, B: workflow, C: workflow }
      defaults: { run: { working-directory: inner } }
      jobs:
        one:
          runs-on: ubuntu-latest
          env: { B: job, C: job }
          defaults: { run: { shell: sh } }
          steps:
            - uses: actions/checkout@v4
            - env: { C: step }
              run: echo "$A $B $C $CLI" && basename "$PWD" && readlink -f /proc/$$/exe
            - run: echo "D=from-file" >> "$GITHUB_ENV"; echo "$GITHUB_WORKSPACE/tools" >> "$GITHUB_PATH"
            - run: echo "$D"; mytool
            - { shell: bash, run: 'set -o | grep pipefail; echo "\${BASH_VERSION%%.*}" | grep -qE "[0-9]+"; false | true; echo not reached', continue-on-error: true }
            - { shell: '${python}', run: 'import os, sys; print(os.getcwd().split("/")[-1], sys.version_info.major)' }
            - { shell: 'perl {0}', run: 'print "perl ", 6 * 7, "\\n";' }
            - { working-directory: /tmp, run: pwd }
            - { working-directory: nowhere, run: pwd, continue-on-error: true }
            - { shell: 'nothere {0}', run: pwd, continue-on-error: true }
      `,
      { 'inner/keep': '', 'tools/mytool': '#!/bin/sh\necho tool ran\n' },
    )
    chmodSync(`${repository}/tools/mytool`, 0o755)
    const run = await world.runJson(repository, ['--env', 'CLI=cli', '--env', 'A=cli'])
    assert.equal(run.exitCode, 0, run.why)
    const output = (step: number): string => run.output('one', String(step))
    assert.match(output(2), /^workflow job step cli\ninner\n\/usr\/bin\/dash\n$/)
    assert.equal(output(4), 'from-file\ntool ran\n')
    assert.match(output(5), /pipefail\s+on\n$/)
    assert.equal(output(6), 'inner 3\n')
    assert.equal(output(7), 'perl 42\n')
    assert.equal(output(8), '/tmp\n')
    const finished = run.events.filter(({ type }) => type === 'step.finished')
    const messages = finished.map(({ data }) => String(data['message']))
    assert.match(messages[8] ?? '', /nowhere.*No such file or directory/)
    assert.match(messages[9] ?? '', /nothere.*No such file or directory/)
    assert.deepEqual(
      run.document.jobs[0]?.steps.slice(-2).map(({ outcome, conclusion }) => `${outcome} ${conclusion}`),
      ['failure success', 'failure success'],
    )
  })

  test('end at their timeout, and so do jobs, with everything that they started', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        step:
          runs-on: ubuntu-latest
          steps:
            - { timeout-minutes: 0.01, run: 'setsid sleep 1000 & sleep 1000' }
            - { if: always(), run: 'ps -e -o args= 2>/dev/null | grep -c "[s]leep 1000" || true' }
        job:
          timeout-minutes: 0.01
          runs-on: ubuntu-latest
          steps:
            - run: sleep 1000
            - { if: always(), run: echo cleaned up }
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 1, run.why)
    assert.equal(run.output('step', '2'), '0\n')
    assert.equal(run.output('job', '2'), 'cleaned up\n')
    assert.equal(run.document.jobs[0]?.steps[0]?.outcome, 'failure')
    assert.equal(run.document.jobs[1]?.conclusion, 'failure')
    await assertNothingLeft(world)
  })

  test('have contexts, hashFiles, a summary, annotations and job status', async () => {
    const repository = world.workflow(
      `
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
            - run: |
                echo '\${{ hashFiles('data/*.txt') }}'
                echo '\${{ hashFiles('nothing') }}|'
                echo '\${{ github.sha }} \${{ github.ref }} \${{ github.job }} \${{ runner.os }} \${{ job.status }}'
                jq -r .ref "$GITHUB_EVENT_PATH"
                [ "$GITHUB_TOKEN" = "" ] && [ "$CI" = true ] && echo no token
            - run: |
                echo '# Summary' >> "$GITHUB_STEP_SUMMARY"
                echo '::warning file=a.c,line=3,title=Odd::look here'
                echo '::group::Inside'; echo grouped; echo '::endgroup::'
      `,
      { 'data/b.txt': 'b', 'data/a.txt': 'a' },
    )
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    const lines = run.output('one', '2').split('\n')
    const sha = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest()
    assert.equal(lines[0], sha(Buffer.concat([sha('a'), sha('b')])).toString('hex'))
    assert.equal(lines[1], '|')
    assert.match(lines[2] ?? '', /^[0-9a-f]{40} refs\/heads\/main one Linux success$/)
    assert.deepEqual(lines.slice(3), ['refs/heads/main', 'no token', ''])
    const annotation = run.events.find(({ type }) => type === 'step.annotation')?.data
    assert.deepEqual(
      [annotation?.['level'], annotation?.['file'], annotation?.['line'], annotation?.['message']],
      ['warning', 'a.c', '3', 'look here'],
    )
    assert.equal(run.events.find(({ type }) => type === 'step.summary')?.data['markdown'], '# Summary\n')
  })

  test('that come later find a sandbox waiting, which is as well checked as the first', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        a: { runs-on: ubuntu-latest, steps: [{ run: 'echo mark > /tmp/mark; echo mark > "$HOME/mark"' }] }
        b: { needs: a, runs-on: ubuntu-latest, steps: [{ run: 'ls /tmp "$HOME"; test ! -e /tmp/mark; test ! -e "$HOME/mark"' }] }
        c: { needs: b, if: failure(), runs-on: ubuntu-latest, steps: [{ run: 'exit 1' }] }
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    const prepared = run.events.filter(({ type }) => type === 'job.prepared')
    assert.deepEqual(
      prepared.map(({ job, data }) => [job, data['warm']]),
      [
        ['a', false],
        ['b', true],
      ],
    )
    assert.equal(prepared[0]?.data['passed'], prepared[1]?.data['passed'])
    // The one that waited for c as well.
    await assertNothingLeft(world)
  })
})
