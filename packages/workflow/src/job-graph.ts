// SPDX-License-Identifier: Apache-2.0

import { quote, suggest } from '@sallyport/core'
import type { Findings } from './findings.ts'
import type { SourcePosition } from './plan.ts'

/** A job by its id, with its `needs` as written. */
export interface JobNeeds {
  readonly id: string
  readonly needs: readonly { readonly text: string; readonly at: SourcePosition }[]
}

/** Every `needs` names another job, and no job waits for itself. */
export function checkJobGraph(jobs: readonly JobNeeds[], findings: Findings): void {
  const ids = new Set(jobs.map((job) => job.id))
  for (const job of jobs) {
    const seen = new Set<string>()
    for (const { text, at } of job.needs) {
      if (text === job.id) findings.invalid(at, `the job ${quote(text)} needs itself`, 'remove it from its needs')
      else if (!ids.has(text)) reportUnknown(job.id, text, at, ids, findings)
      else if (seen.has(text)) findings.invalid(at, `the job ${quote(text)} is needed twice`, 'name it once')
      seen.add(text)
    }
  }
  for (const cycle of findCycles(jobs)) {
    const [first] = cycle
    const at = jobs.find((job) => job.id === first)?.needs.find(({ text }) => text === (cycle[1] ?? first))?.at
    if (at === undefined) continue
    const path = [...cycle, first].map((id) => quote(id ?? '')).join(' → ')
    findings.invalid(at, `these jobs wait for each other: ${path}`, 'remove one of these needs')
  }
}

function reportUnknown(job: string, needed: string, at: SourcePosition, ids: ReadonlySet<string>, findings: Findings): void {
  const others = findings.isFull ? [] : [...ids].filter((id) => id !== job)
  findings.invalid(at, `there is no job ${quote(needed)} to need`, suggest(needed, others, 'jobs'))
}

/** One cycle of at least two jobs for each group of jobs that wait for each other. */
function findCycles(jobs: readonly JobNeeds[]): string[][] {
  const needs = new Map(jobs.map((job) => [job.id, job.needs.map(({ text }) => text).filter((text) => text !== job.id)]))
  const done = new Set<string>()
  const cycles: string[][] = []
  for (const job of jobs) {
    const cycle = searchFrom(job.id, needs, done)
    if (cycle !== null) cycles.push(cycle)
  }
  return cycles
}

/** Depth first, with the path as explicit stack: the file decides how long a chain is. */
function searchFrom(start: string, needs: ReadonlyMap<string, readonly string[]>, done: Set<string>): string[] | null {
  if (done.has(start)) return null
  const path: { readonly id: string; next: number }[] = [{ id: start, next: 0 }]
  const onPath = new Set([start])
  let found: string[] | null = null
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const needed = needs.get(top.id)?.[top.next]
    top.next += 1
    if (needed === undefined) {
      path.pop()
      onPath.delete(top.id)
      done.add(top.id)
    } else if (onPath.has(needed)) {
      found ??= path.slice(path.findIndex((entry) => entry.id === needed)).map((entry) => entry.id)
    } else if (!done.has(needed) && needs.has(needed)) {
      path.push({ id: needed, next: 0 })
      onPath.add(needed)
    }
  }
  return found
}
