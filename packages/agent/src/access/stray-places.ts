// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from '@sallyport/access'
import { quote, type SourcePosition, suggest } from '@sallyport/core'
import type { WorkflowPlan } from '@sallyport/workflow'

/**
 * Rules for a job or a step that no workflow has open nothing, and nobody would notice: a slip in a name looks like a gate that is too strict.
 * For people, one sentence each.
 *
 * @param plans Of every workflow of the repository.
 */
export function strayNotices({ jobs }: AccessFile, plans: readonly WorkflowPlan[]): readonly string[] {
  const known = plans.flatMap((plan) => plan.jobs)
  return jobs.flatMap(({ id, at, steps }) => {
    const same = known.filter((job) => job.id === id)
    const ids = known.map((job) => job.id)
    if (same.length === 0) return [stray(at, `no workflow has a job ${quote(id)}`, suggest(id, ids, 'there are'))]
    const stepIds = same.flatMap((job) => job.steps.flatMap((step) => step.id ?? []))
    return steps
      .filter((step) => !stepIds.includes(step.id))
      .map((step) => stray(step.at, `no step of job ${quote(id)} has the id ${quote(step.id)}`, suggest(step.id, stepIds, 'there are')))
  })
}

function stray({ file, line, column }: SourcePosition, what: string, suggestion: string | null): string {
  return `${file}:${line}:${column}: ${what}${suggestion === null ? '' : ` (${suggestion})`}: its rules open nothing`
}
