// SPDX-License-Identifier: Apache-2.0
import type { RunPreview } from '@sallyport/agent'
import { oneLine } from './sanitize.ts'
import type { Style } from './style.ts'
import { renderTable } from './table.ts'

type WorkflowPreview = RunPreview['workflows'][number]
type JobPreview = WorkflowPreview['jobs'][number]

/** What `--list` and, with steps, `--dry-run` print. */
export function renderPreview({ workflows }: RunPreview, style: Style, options: { readonly steps: boolean }): string {
  if (workflows.length === 0) return 'No workflow files\n'
  return workflows.map((workflow) => renderWorkflow(workflow, style, options.steps)).join('\n')
}

function renderWorkflow(workflow: WorkflowPreview, style: Style, withSteps: boolean): string {
  const reason = workflow.reason === null ? '' : `: ${oneLine(workflow.reason)}`
  const state = workflow.triggered ? style.good('triggered') : style.dim(`not triggered${reason}`)
  const head = `${style.bold(oneLine(workflow.file))}  ${oneLine(workflow.name)}  on ${workflow.triggers.map((name) => oneLine(name)).join(', ')}  ${state}\n`
  const notices = workflow.notices.map((notice) => `  ${style.warn('notice')}: ${oneLine(notice, 1000)}\n`)
  if (!withSteps) return head + renderTable(workflow.jobs.map((job) => jobRow(job))) + notices.join('')
  const jobs = workflow.triggered ? workflow.jobs.map((job) => renderTable([jobRow(job)]) + renderSteps(job)) : []
  return head + jobs.join('') + notices.join('')
}

function jobRow(job: JobPreview): string[] {
  const name = job.name === job.id ? '' : oneLine(job.name)
  const needs = job.needs.length === 0 ? '' : `needs ${job.needs.map((id) => oneLine(id)).join(', ')}`
  return [`  ${oneLine(job.id)}`, name, `${oneLine(job.runsOn)} → ${oneLine(job.image)}`, needs, describeMatrix(job)]
}

function describeMatrix({ matrix }: JobPreview): string {
  if (matrix === null) return 'matrix known when it runs'
  if (matrix.length === 0 || matrix.every((combination) => Object.keys(combination).length === 0)) return ''
  const shown = matrix.slice(0, 4).map((combination) => Object.values(combination).map(String).join(' '))
  const more = matrix.length > shown.length ? `, … ${matrix.length - shown.length} more` : ''
  return `matrix of ${matrix.length}: ${oneLine(shown.join(', '))}${more}`
}

function renderSteps({ steps }: JobPreview): string {
  return renderTable(
    steps.map(({ name, kind, secrets }) => [
      `    ${oneLine(name, 60)}`,
      oneLine(kind),
      secrets.length === 0 ? '' : `gets ${secrets.map((secret) => oneLine(secret)).join(', ')}`,
    ]),
  )
}
