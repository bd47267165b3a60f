// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { loadWorkflowParser, parseWorkflow, type WorkflowParser } from './load-workflow-parser.ts'
import type { TemplateNode } from './plan.ts'
import { WorkflowError } from './problem.ts'

let parser: WorkflowParser
before(async () => {
  parser = await loadWorkflowParser()
})

const typical = `
name: CI
run-name: by \${{ github.actor }}
on:
  push: { branches: [main, 'release/**'], paths-ignore: docs/** }
  pull_request:
  workflow_dispatch:
    inputs:
      level: { type: choice, options: [low, high], default: low, required: true }
permissions: { contents: read }
concurrency: ci
env:
  LEVEL: 1.10
defaults:
  run: { shell: bash }
jobs:
  build:
    runs-on: \${{ matrix.os }}
    timeout-minutes: 10
    strategy:
      fail-fast: false
      matrix:
        os: [ubuntu-24.04]
        include: [{ os: ubuntu-24.04, extra: 1 }]
    outputs:
      digest: \${{ steps.make.outputs.digest }}
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
      - name: it's \${{ matrix.os }}, don't worry
        id: make
        if: github.event_name == 'push'
        run: |
          if true; then
            echo '\${{ github.sha }}'
          fi
        working-directory: src
        continue-on-error: true
      - uses: ./.github/actions/own
        if: \${{ always() }}
        env: { TOKEN: '\${{ secrets.token }}' }
  test:
    needs: build
    runs-on: [self-hosted, linux]
    steps: [{ run: make test }]
`

function literalOf(node: TemplateNode | null | undefined): unknown {
  return node?.kind === 'literal' ? node.value : node?.kind
}

describe('a workflow file', () => {
  it('becomes a plan with every field in its place', () => {
    const plan = parser.parseWorkflow('ci.yml', typical)
    assert.equal(plan.name, 'CI')
    assert.deepEqual(
      plan.triggers.map(({ event, branches, pathsIgnore }) => ({ event, branches, pathsIgnore })),
      [
        { event: 'push', branches: ['main', 'release/**'], pathsIgnore: ['docs/**'] },
        { event: 'pull_request', branches: null, pathsIgnore: null },
        { event: 'workflow_dispatch', branches: null, pathsIgnore: null },
      ],
    )
    assert.deepEqual(plan.triggers[2]?.inputs, [
      { name: 'level', type: 'choice', required: true, default: 'low', options: ['low', 'high'] },
    ])
    assert.equal(literalOf(plan.defaults.shell), 'bash')
    const [build, test] = plan.jobs
    assert.deepEqual(test?.needs, ['build'])
    assert.equal(literalOf(build?.timeoutMinutes), 10)
    assert.equal(literalOf(build?.strategy?.failFast), false)
    assert.deepEqual(
      build?.steps.map((step) => (step.kind === 'uses' ? step.uses.kind : step.kind)),
      ['checkout', 'run', 'local'],
    )
  })

  it('keeps scripts as the shell has to see them, without the indentation of the file', () => {
    const step = parser.parseWorkflow('ci.yml', typical).jobs[0]?.steps[1]
    assert.ok(step?.kind === 'run' && step.run.kind === 'expression')
    assert.equal(step.run.expression, "format('if true; then\n  echo ''{0}''\nfi\n', github.sha)")
    assert.deepEqual(step.name, {
      kind: 'expression',
      expression: "format('it''s {0}, don''t worry', matrix.os)",
      at: { file: 'ci.yml', line: 30, column: 15 },
    })
  })

  it('keeps conditions bare, and tells whether they ask for a status', () => {
    const steps = parser.parseWorkflow('ci.yml', typical).jobs[0]?.steps ?? []
    assert.deepEqual(
      steps.map((step) => [step.if?.expression, step.if?.callsStatusFunction]),
      [
        [undefined, undefined],
        ["github.event_name == 'push'", false],
        ['always()', true],
      ],
    )
  })

  it('says what has no effect instead of passing over it', () => {
    const { notices } = parser.parseWorkflow('ci.yml', typical)
    assert.deepEqual(
      notices.map(({ message, at }) => `${at.line} ${message.split(' ')[0]}`),
      ['10 permissions', '11 concurrency'],
    )
  })

  it('says that the token of a forge is empty, and that a condition with text around it always holds', () => {
    const plan = parser.parseWorkflow(
      'x.yml',
      "on: push\njobs: {a: {runs-on: x, steps: [{run: 'x ${{ secrets.GITHUB_TOKEN }}', if: 'x ${{ true }}'}]}}",
    )
    assert.deepEqual(
      plan.notices.map(({ message }) => message.split(':')[0]),
      ['secrets.GITHUB_TOKEN is empty', 'a condition with text around ${{ }} is always true; write it without the braces'],
    )
  })

  it('is told which outputs of jobs and steps can never be there', () => {
    const steps =
      "[{run: 'x ${{ steps.pck.outputs.a }} ${{ steps.later.outputs.a }} ${{ needs.biuld.result }}'}, {id: pick, run: x}, {id: later, run: x}]"
    const { notices } = parser.parseWorkflow(
      'x.yml',
      `on: push\njobs:\n  build: {runs-on: x, steps: [run: x]}\n  j: {needs: build, runs-on: x, steps: ${steps}}`,
    )
    assert.deepEqual(
      notices.map(({ message }) => message),
      [
        '"needs.biuld" is always empty: job "j" does not need a job of this id; did you mean "build"?',
        '"steps.pck" is always empty: job "j" has no step of this id; did you mean "pick"?',
      ],
    )
  })

  it('may use anchors, and keys that look like numbers or belong to every JavaScript object', () => {
    const plan = parser.parseWorkflow(
      'x.yml',
      'on: push\nenv: &e {1: a, __proto__: b, constructor: c}\njobs: {a: {runs-on: x, env: *e, steps: [run: make]}}',
    )
    const env = plan.jobs[0]?.env
    assert.ok(env?.kind === 'mapping')
    assert.deepEqual(
      env.entries.map(({ key, value }) => [literalOf(key), literalOf(value)]),
      [
        ['1', 'a'],
        ['__proto__', 'b'],
        ['constructor', 'c'],
      ],
    )
  })

  it('may start on every event of GitHub', () => {
    for (const event of ['repository_dispatch', 'workflow_call', 'schedule', 'release']) {
      assert.equal(parser.parseWorkflow('x.yml', `on: ${event}\njobs: {a: {runs-on: x, steps: [run: make]}}`).triggers[0]?.event, event)
    }
  })

  it('may name an input of workflow_dispatch and say no more about it', () => {
    const job = 'jobs: {a: {runs-on: ubuntu-latest, steps: [{run: make}]}}'
    const plan = parser.parseWorkflow('f', `on: {workflow_dispatch: {inputs: {version: }}}\n${job}`)
    assert.deepEqual(plan.triggers[0]?.inputs, [{ name: 'version', type: 'string', required: false, default: null, options: [] }])
  })

  it('still tells its triggers when it is merely unsupported, and never when it is wrong', () => {
    const triggersOf = (job: string): readonly string[] | null => {
      try {
        parser.parseWorkflow('f', `on: [push, schedule]\njobs: {a: ${job}}`)
      } catch (error) {
        if (error instanceof WorkflowError) return error.triggers?.map(({ event }) => event) ?? null
      }
      return assert.fail('it was accepted')
    }
    assert.deepEqual(triggersOf('{runs-on: windows-2025, steps: [{uses: a/b@v1}]}'), ['push', 'schedule'])
    assert.equal(triggersOf('{runs-on: windows-2025, steps: [{uses: nothing}]}'), null)
  })

  it('can be read in one call too', async () => {
    assert.equal((await parseWorkflow('ci.yml', typical)).jobs.length, 2)
  })
})

describe('an action file', () => {
  it('of JavaScript becomes a plan; its pre-if and post-if mean exactly what they say', () => {
    const plan = parser.parseAction(
      'action.yml',
      'runs: {using: node24, main: dist/m.js, post: p.js, post-if: runner.os == 1, pre: x.js, pre-if: success()}\ninputs: {a: {required: true, default: "${{ github.ref }}"}}',
    )
    assert.ok(plan.runs.using !== 'composite' && 'main' in plan.runs)
    assert.equal(plan.name, 'action.yml')
    assert.equal(plan.runs.main, 'dist/m.js')
    assert.equal(plan.runs.postIf?.expression, 'always() && (runner.os == 1)')
    assert.equal(plan.runs.preIf?.expression, 'success()')
    assert.deepEqual(
      plan.inputs.map(({ name, required, default: value }) => [name, required, value?.kind]),
      [['a', true, 'expression']],
    )
  })

  it('of steps becomes a plan', () => {
    const plan = parser.parseAction(
      'a.yml',
      'name: n\noutputs: {o: {value: "${{ steps.s.outputs.x }}"}}\nruns:\n  using: composite\n  steps:\n    - {run: make, shell: bash, id: s}\n    - uses: ./b',
    )
    assert.ok('steps' in plan.runs)
    assert.deepEqual(
      plan.runs.steps.map((step) => step.kind),
      ['run', 'uses'],
    )
    assert.equal(plan.outputs[0]?.value?.kind, 'expression')
  })

  it('may look at a market place as it likes, which no runner reads', () => {
    const text = 'branding: {color: black}\ninputs: {a: {required: yes}}\nruns: {using: node24, main: x}'
    assert.deepEqual(
      parser.parseAction('a.yml', text).inputs.map(({ name }) => name),
      ['a'],
    )
  })
})

describe('a hostile action file', () => {
  const refused = (text: string): readonly string[] => {
    try {
      parser.parseAction('action.yml', text)
    } catch (error) {
      assert.ok(error instanceof WorkflowError, String(error))
      assert.equal(error.code, 'ACTION_INVALID')
      return error.problems.map(({ message }) => message)
    }
    return assert.fail('it was accepted')
  }

  it('cannot grow by aliases', () => {
    const levels = Array.from({ length: 30 }, (_, level) => `  l${level + 1}: &l${level + 1} [*l${level}, *l${level}, *l${level}]`)
    assert.deepEqual(refused(['runs:', '  l0: &l0 [x]', ...levels].join('\n')), ['more than 50000 values, aliases expanded'])
  })

  it('cannot be larger, deeper or longer than the limits', () => {
    assert.match(refused('#'.repeat(2 ** 18 + 1))[0] ?? '', /longer than/)
    assert.match(refused(`${'[\n'.repeat(66)}${']'.repeat(66)}`)[0] ?? '', /nested more than 64 levels/)
    assert.match(refused('[1,'.repeat(50_000))[0] ?? '', /YAML|nested/)
    assert.match(refused('x: 1\n'.repeat(30_000))[0] ?? '', /more than 50000 values/)
  })

  it('gets at most a hundred problems reported, and the number of the others', () => {
    const messages = refused(`runs: {using: node24, main: x}\n${Array.from({ length: 500 }, (_, index) => `key${index}: 1\n`).join('')}`)
    assert.equal(messages.length, 101)
    assert.equal(messages.at(-1), '400 more problems are not shown')
  })

  it('that is valid beyond what we support stays so when not all of it is shown', () => {
    const steps = Array.from({ length: 120 }, () => '    - uses: a/b@v1\n').join('')
    assert.throws(
      () => parser.parseAction('action.yml', `runs:\n  using: composite\n  steps:\n${steps}`),
      (error: unknown) => error instanceof WorkflowError && error.problems.every(({ kind }) => kind === 'unsupported'),
    )
  })

  it('that is no YAML at all still gives problems, not a crash', () => {
    const part = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '"',
      "'",
      '|',
      '>',
      '#',
      '${{',
      '}}',
      'runs:',
      'using:',
      '? ',
      '!t ',
      '%',
      '\t',
      '<<: ',
      '0x1',
      '~',
      '\u0000',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        for (const parse of [parser.parseAction, parser.parseWorkflow]) {
          assert.throws(() => parse('f', parts.join('')), WorkflowError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('cannot reach the prototypes of the process', () => {
    refused('__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}\nruns: {using: node24, main: x}')
    assert.equal('polluted' in {}, false)
  })
})
