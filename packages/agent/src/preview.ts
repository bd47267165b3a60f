// SPDX-License-Identifier: Apache-2.0
import { type EngineInput, previewMatrix } from '@sallyport/engine'
import { type JobPlan, type StepPlan, secretsOfStep, type TemplateNode, type WorkflowError, type WorkflowPlan } from '@sallyport/workflow'
import { buildEngineInput } from './claim/engine-input.ts'
import { inspectRepository, type Repository } from './claim/repository.spawn.ts'
import { matchWorkflows } from './claim/select-workflows.ts'
import { findWorkflowFiles, readWorkflows } from './claim/workflow-files.ts'
import type { RunOptions, RunPreview } from './contract.ts'

/** What `run` would do, from the files alone: nothing is evaluated and nothing started. */
export async function previewRun(options: RunOptions): Promise<RunPreview> {
  const repository = await inspectRepository(options.repository)
  const files = await findWorkflowFiles(options.repository, options.files)
  const matched = await matchWorkflows(await readWorkflows(options.repository, files), options, repository)
  return {
    workflows: matched.map((workflow) => ({
      file: workflow.file,
      name: workflow.name,
      triggers: workflow.triggers.map((trigger) => trigger.event),
      triggered: workflow.triggered && workflow.plan !== null,
      reason: workflow.unsupported === null ? workflow.reason : unsupportedReason(workflow.unsupported),
      notices: workflow.plan?.notices.map((notice) => notice.message) ?? [],
      jobs:
        workflow.plan === null
          ? []
          : previewJobs(workflow.plan, previewInput(workflow.plan, { ...options, event: workflow.event }, repository)),
    })),
  }
}

function unsupportedReason(error: WorkflowError): string {
  const [first, ...others] = error.problems
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  return `not supported in this release: line ${first?.at.line}: ${first?.message}${more}`
}

type JobPreview = RunPreview['workflows'][number]['jobs'][number]

function previewJobs(plan: WorkflowPlan, input: EngineInput): JobPreview[] {
  return plan.jobs.filter((job) => input.onlyJob === null || job.id === input.onlyJob).map((job) => previewJob(plan, job, input))
}

function previewInput(plan: WorkflowPlan, options: RunOptions, repository: Repository): EngineInput {
  const parseAction = (): never => {
    throw new TypeError('a preview loads no action')
  }
  return buildEngineInput({ plan, options, repository, runId: 'preview', inputs: {}, parseAction, containsSecret: () => false })
}

function previewJob(plan: WorkflowPlan, job: JobPlan, input: EngineInput): JobPreview {
  return {
    id: job.id,
    name: job.name === null ? job.id : textOf(job.name),
    needs: job.needs,
    matrix: previewMatrix(input, job),
    runsOn: textOf(job.runsOn),
    image: job.container === null ? 'host' : textOf(job.container.image),
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
  return step.uses.kind === 'local' ? `Run ${step.uses.path}` : `Run actions/checkout@${step.uses.ref}`
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
