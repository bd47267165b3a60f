// SPDX-License-Identifier: Apache-2.0

import { nearest, quote } from '@sallyport/core'
import { toContainer } from './container-plan.ts'
import { referencedNames } from './context-references.ts'
import type { Findings } from './findings.ts'
import { checkJobGraph } from './job-graph.ts'
import type { JobPlan, RunDefaults, StrategyPlan, TemplateNode, WorkflowPlan } from './plan.ts'
import { checkShell, fieldOrRefuse, noticeKeysWithoutEffect, refuseJobKeys, refuseRunner } from './refusals.ts'
import { checkId, checkTimeout, toCondition, toSteps } from './step-plan.ts'
import { field, literalText, literalTexts, type NamedEntry, namedEntries } from './template-nodes.ts'
import { toTriggers } from './triggers.ts'

/**
 * The plan of a workflow that the schema has looked at. Wrong shapes are in `findings` by then and are passed over here, so
 * that one run reports them together with everything else; the plan is only good when there are no problems.
 */
export function toWorkflowPlan(file: string, root: TemplateNode, findings: Findings): WorkflowPlan {
  noticeKeysWithoutEffect(root, 'the workflow', findings)
  const jobsNode = field(root, 'jobs')
  const entries = namedEntries(jobsNode)
  if (jobsNode !== null && entries.length === 0) findings.invalid(jobsNode.at, 'the workflow has no job', 'add one below jobs:')
  const jobs = entries.map((entry) => toJob(entry, findings))
  checkJobGraph(
    entries.map(({ name, value }) => ({ id: name, needs: literalTexts(field(value, 'needs')) })),
    findings,
  )
  return {
    file,
    name: literalText(field(root, 'name')) ?? file,
    runName: field(root, 'run-name'),
    triggers: toTriggers(field(root, 'on'), findings),
    env: field(root, 'env'),
    defaults: toDefaults(root, findings),
    jobs: jobs.filter((job) => job !== null),
    notices: findings.notices,
  }
}

function toDefaults(node: TemplateNode, findings: Findings): RunDefaults {
  const run = fieldOrRefuse(field(node, 'defaults'), 'run', findings)
  const shell = field(run, 'shell')
  checkShell(shell, findings)
  return { shell, workingDirectory: field(run, 'working-directory') }
}

/** Null when there is nothing to run in it: the reason is in the findings. */
function toJob(entry: NamedEntry, findings: Findings): JobPlan | null {
  const { name: id, keyAt, value } = entry
  checkId(id, keyAt, 'job', findings)
  noticeKeysWithoutEffect(value, `job ${quote(id)}`, findings)
  refuseJobKeys(value, findings)
  const runsOn = field(value, 'runs-on')
  if (runsOn !== null) refuseRunner(runsOn, findings)
  const steps = toSteps(field(value, 'steps'), findings)
  checkHasSteps(entry, findings)
  const timeoutMinutes = field(value, 'timeout-minutes')
  checkTimeout(timeoutMinutes, findings)
  noticeEmptyReferences(entry, findings)
  const strategy = toStrategy(value, findings)
  const container = toContainer(field(value, 'container'), findings)
  const defaults = toDefaults(value, findings)
  if (runsOn === null) return null
  return {
    id,
    name: field(value, 'name'),
    needs: literalTexts(field(value, 'needs')).map(({ text }) => text),
    if: toCondition(field(value, 'if')),
    runsOn,
    container,
    strategy,
    env: field(value, 'env'),
    defaults,
    timeoutMinutes,
    continueOnError: field(value, 'continue-on-error'),
    outputs: field(value, 'outputs'),
    steps,
    at: keyAt,
  }
}

/** GitHub reads a misspelled `needs.x` or `steps.x` as empty without a word. A step that comes later is one, too, but no mistake. */
function noticeEmptyReferences({ name, keyAt, value }: NamedEntry, findings: Findings): void {
  const steps = field(value, 'steps')
  const stepIds = steps?.kind === 'sequence' ? steps.items.flatMap((item) => literalText(field(item, 'id')) ?? []) : []
  const known = { needs: literalTexts(field(value, 'needs')).map(({ text }) => text), steps: stepIds }
  for (const context of ['needs', 'steps'] as const) {
    const ids = new Set(known[context].map((id) => id.toLowerCase()))
    for (const id of referencedNames(context, [value])) {
      if (ids.has(id.toLowerCase())) continue
      const what = context === 'needs' ? 'does not need a job of this id' : 'has no step of this id'
      const hint = nearest(id, known[context])
      findings.notice(
        keyAt,
        `${quote(`${context}.${id}`)} is always empty: job ${quote(name)} ${what}${hint === null ? '' : `; did you mean ${quote(hint)}?`}`,
      )
    }
  }
}

function checkHasSteps({ name, keyAt, value }: NamedEntry, findings: Findings): void {
  if (value.kind !== 'mapping' || field(value, 'uses') !== null) return
  const steps = field(value, 'steps')
  if (steps === null || (steps.kind === 'sequence' && steps.items.length === 0)) {
    findings.invalid(keyAt, `the job ${quote(name)} has no steps`, 'add steps: with at least one run or uses')
  }
}

function toStrategy(job: TemplateNode, findings: Findings): StrategyPlan | null {
  const strategy = fieldOrRefuse(job, 'strategy', findings)
  if (strategy?.kind !== 'mapping') return null
  const matrix = field(strategy, 'matrix')
  checkMatrix(matrix, findings)
  const maxParallel = field(strategy, 'max-parallel')
  if (
    maxParallel?.kind === 'literal' &&
    typeof maxParallel.value === 'number' &&
    !(Number.isInteger(maxParallel.value) && maxParallel.value > 0)
  ) {
    findings.invalid(maxParallel.at, `max-parallel cannot be ${maxParallel.value}`, 'write a whole number from 1')
  }
  return { matrix, failFast: field(strategy, 'fail-fast'), maxParallel }
}

function checkMatrix(matrix: TemplateNode | null, findings: Findings): void {
  if (matrix?.kind !== 'mapping') return
  if (matrix.entries.length === 0) findings.invalid(matrix.at, 'the matrix has no axis', 'add one, e.g. os: [ubuntu-24.04]')
  for (const { name, value } of namedEntries(matrix)) {
    if (value.kind !== 'sequence' || value.items.length > 0) continue
    if (name !== 'include' && name !== 'exclude')
      findings.invalid(value.at, `the axis ${quote(name)} of the matrix has no values`, 'add one, or remove the axis')
  }
}
