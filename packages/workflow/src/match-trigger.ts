// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import { matchesFilter } from './filter-pattern.ts'
import type { Trigger, WorkflowPlan } from './plan.ts'

/** What happened. */
export interface TriggerEvent {
  readonly event: string
  /** `refs/heads/main`, `refs/tags/v1`, or a branch's bare name; for pull requests the base branch. */
  readonly ref: string
  /** Paths from the top of the repository; null when they are not known: then path filters let everything pass. */
  readonly changedPaths: readonly string[] | null
  /** The activity (`opened`, `published`, …); null when it is not known: then `types` lets everything pass. */
  readonly activity?: string | null
}

export interface TriggerMatch {
  readonly triggered: boolean
  /** Why not; null when triggered. */
  readonly reason: string | null
}

/** Whether an event starts a workflow. */
export function matchTrigger(plan: Pick<WorkflowPlan, 'triggers'>, happened: TriggerEvent): TriggerMatch {
  const trigger = plan.triggers.find((candidate) => candidate.event === happened.event)
  const reason = trigger === undefined ? noTrigger(plan, happened.event) : refusal(trigger, happened)
  return { triggered: reason === null, reason }
}

function noTrigger(plan: Pick<WorkflowPlan, 'triggers'>, event: string): string {
  const events = plan.triggers.map((trigger) => trigger.event).join(', ')
  return `${quote(event)} is not among its triggers (${events})`
}

/** GitHub's activities for the events that do not listen to all of them. */
const DEFAULT_ACTIVITIES: Readonly<Record<string, readonly string[]>> = {
  pull_request: ['opened', 'synchronize', 'reopened'],
  pull_request_target: ['opened', 'synchronize', 'reopened'],
}

function refusal(trigger: Trigger, { event, ref, changedPaths, activity }: TriggerEvent): string | null {
  const types = trigger.types ?? DEFAULT_ACTIVITIES[event]
  if (activity !== null && activity !== undefined && types !== undefined && !types.includes(activity)) {
    return `the activity ${quote(activity)} is not among ${types.join(', ')}`
  }
  const tag = ref.startsWith('refs/tags/') ? ref.slice('refs/tags/'.length) : null
  if (tag !== null) return tagRefusal(trigger, tag)
  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : ref
  return branchRefusal(trigger, branch) ?? pathRefusal(trigger, changedPaths)
}

/** Path filters do not look at tags. */
function tagRefusal({ tags, tagsIgnore, branches, branchesIgnore }: Trigger, tag: string): string | null {
  if (tags !== null) return matchesFilter(tags, tag) ? null : `the tag ${quote(tag)} matches none of ${tags.join(', ')}`
  if (tagsIgnore !== null) return matchesFilter(tagsIgnore, tag) ? `the tag ${quote(tag)} is ignored` : null
  return branches !== null || branchesIgnore !== null ? 'it is for branches only, and this is a tag' : null
}

function branchRefusal({ tags, tagsIgnore, branches, branchesIgnore }: Trigger, branch: string): string | null {
  if (branches !== null)
    return matchesFilter(branches, branch) ? null : `the branch ${quote(branch)} matches none of ${branches.join(', ')}`
  if (branchesIgnore !== null) return matchesFilter(branchesIgnore, branch) ? `the branch ${quote(branch)} is ignored` : null
  return tags !== null || tagsIgnore !== null ? 'it is for tags only, and this is a branch' : null
}

function pathRefusal({ paths, pathsIgnore }: Trigger, changedPaths: readonly string[] | null): string | null {
  if (changedPaths === null) return null
  if (paths !== null && !changedPaths.some((path) => matchesFilter(paths, path))) return `no changed path matches ${paths.join(', ')}`
  if (pathsIgnore !== null && changedPaths.every((path) => matchesFilter(pathsIgnore, path))) return 'all changed paths are ignored'
  return null
}
