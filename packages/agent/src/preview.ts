// SPDX-License-Identifier: Apache-2.0
import { expandMatrix, type Json } from '@sallyport/engine'
import { type JobPlan, type StepPlan, secretsOfStep, type TemplateNode, type WorkflowPlan } from '@sallyport/workflow'
import { inspectRepository } from './claim/repository.spawn.ts'
import { matchWorkflows } from './claim/select-workflows.ts'
import { findWorkflowFiles, readWorkflows } from './claim/workflow-files.ts'
import type { RunOptions, RunPreview } from './contract.ts'

/** What `run` would do, from the files alone: nothing is evaluated and nothing started. */
export async function previewRun(options: RunOptions): Promise<RunPreview> {
  const repository = await inspectRepository(options.repository)
  const files = await findWorkflowFiles(options.repository, options.files)
  const matched = await matchWorkflows(await readWorkflows(options.repository, files), options, repository)
  return {
    workflows: matched.map(({ plan, triggered, reason }) => ({
      file: plan.file,
      name: plan.name,
      triggers: plan.triggers.map((trigger) => trigger.event),
      triggered,
      reason,
      notices: plan.notices.map((notice) => notice.message),
      jobs: plan.jobs.filter((job) => options.job === null || job.id === options.job).map((job) => previewJob(plan, job)),
    })),
  }
}

type JobPreview = RunPreview['workflows'][number]['jobs'][number]

function previewJob(plan: WorkflowPlan, job: JobPlan): JobPreview {
  return {
    id: job.id,
    name: job.name === null ? job.id : textOf(job.name),
    needs: job.needs,
    matrix: previewMatrix(job),
    runsOn: textOf(job.runsOn),
    image: 'host',
    steps: job.steps.map((step) => ({
      name: stepName(step),
      kind: step.kind === 'run' ? 'run' : step.uses.kind,
      secrets: secretsOfStep(plan, job, step),
    })),
  }
}

function stepName(step: StepPlan): string {
  if (step.name !== null) return textOf(step.name)
  if (step.kind === 'run') return `Run ${textOf(step.run).split('\n')[0] ?? ''}`
  return step.uses.kind === 'local' ? step.uses.path : `actions/checkout@${step.uses.ref}`
}

/** A template as a person wrote it, as far as that is known. */
function textOf(node: TemplateNode): string {
  switch (node.kind) {
    case 'literal':
      return String(node.value)
    case 'expression':
      return `\${{ ${node.expression} }}`
    case 'sequence':
      return node.items.map(textOf).join(', ')
    case 'mapping':
      return node.entries.map(({ key, value }) => `${textOf(key)}: ${textOf(value)}`).join(', ')
  }
}

/** The combinations of a matrix without expressions; null when it depends on something that only a run knows. */
function previewMatrix(job: JobPlan): JobPreview['matrix'] {
  const matrix = job.strategy?.matrix ?? null
  if (matrix === null) return [{}]
  const value = staticValue(matrix)
  return value === undefined ? null : expandMatrix(value).map((combination) => ({ ...combination.values }))
}

/** Undefined when an expression is part of it. */
function staticValue(node: TemplateNode): Json | undefined {
  if (node.kind === 'expression') return undefined
  if (node.kind === 'literal') return node.value
  if (node.kind === 'sequence') {
    const items = node.items.map(staticValue)
    return items.some((item) => item === undefined) ? undefined : (items as Json[])
  }
  const entries = node.entries.map(({ key, value }) => [staticValue(key), staticValue(value)] as const)
  if (entries.some(([key, value]) => key === undefined || value === undefined)) return undefined
  return Object.fromEntries(entries.map(([key, value]) => [String(key), value as Json]))
}
