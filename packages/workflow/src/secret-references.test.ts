// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { loadWorkflowParser, type WorkflowParser } from './load-workflow-parser.ts'
import { secretsOfStep } from './secret-references.ts'

describe('the secrets of a step', () => {
  let parser: WorkflowParser
  before(async () => {
    parser = await loadWorkflowParser()
  })

  const stepsOf = (steps: string): readonly (readonly string[])[] => {
    const plan = parser.parseWorkflow('f', `on: push\njobs:\n  j:\n    runs-on: x\n    steps:\n${steps}`)
    return plan.jobs[0]?.steps.map((step) => step.secrets) ?? []
  }

  it('are those that its own text names, in every key and both spellings', () => {
    const found = stepsOf(`
      - {run: "echo \${{ secrets.b }} \${{ secrets['a'] }}", name: "\${{ secrets.N }}"}
      - {uses: ./x, with: {k: "\${{ format('{0}', secrets.W || secrets.w2) }}"}, env: {E: "\${{ secrets.e }}"}}
      - {run: make, working-directory: "\${{ secrets.D }}", timeout-minutes: "\${{ fromJSON(secrets.T) }}"}
      - {run: make}`)
    assert.deepEqual(found, [['A', 'B', 'N'], ['E', 'W', 'W2'], ['D', 'T'], []])
  })

  it('are never found in plain text, strings, or properties of other contexts', () => {
    const found = stepsOf(`
      - {run: "echo secrets.A \${{ 'secrets.B' }} \${{ github.secrets.C }} \${{ format('secrets.D {0}', vars.secrets) }}"}`)
    assert.deepEqual(found, [[]])
  })

  it('do not hold the token of a forge, which does not exist here', () => {
    assert.deepEqual(stepsOf('      - run: echo ${{ secrets.github_token }} ${{ secrets.X }}'), [['X']])
  })

  it('come together with those of the env and defaults around it', () => {
    const text = `
on: push
env: {A: "\${{ secrets.FLOW }}"}
jobs:
  j:
    runs-on: x
    env: {B: "\${{ secrets.JOB }}"}
    steps: [{run: "\${{ secrets.STEP }}"}, {run: make}]
  k: {runs-on: x, steps: [run: make]}
`
    const plan = parser.parseWorkflow('f', text)
    const all = plan.jobs.flatMap((job) => job.steps.map((step) => secretsOfStep(plan, job, step)))
    assert.deepEqual(all, [['FLOW', 'JOB', 'STEP'], ['FLOW', 'JOB'], ['FLOW']])
  })
})
