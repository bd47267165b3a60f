// SPDX-License-Identifier: Apache-2.0
import type { Json } from '@sallyport/engine'
import { matchTrigger, type Trigger, type WorkflowInput, type WorkflowPlan } from '@sallyport/workflow'
import { AgentError } from '../agent-error.ts'
import type { RunOptions } from '../contract.ts'
import { listChangedPaths, type Repository } from './repository.spawn.ts'

export interface SelectedWorkflow {
  readonly plan: WorkflowPlan
  readonly triggered: boolean
  /** Why not, when it is not. */
  readonly reason: string | null
}

/** Which of the plans the event triggers. Files that the user named run whatever their filters say, as long as they know the event. */
export async function matchWorkflows(
  plans: readonly WorkflowPlan[],
  options: RunOptions,
  repository: Repository,
): Promise<SelectedWorkflow[]> {
  const changedPaths = await listChangedPaths(repository)
  const named = options.files.length > 0
  return plans.map((plan) => {
    const match = matchTrigger(plan, {
      event: options.event,
      ref: eventRef(options, repository),
      changedPaths,
      activity: activityOf(options),
    })
    const knowsEvent = plan.triggers.some((trigger) => trigger.event === options.event)
    const triggered = match.triggered || (named && (knowsEvent || !eventWasNamed(options)))
    return { plan, triggered, reason: triggered ? null : match.reason }
  })
}

/** Filters of pull requests look at the branch that they go into. */
function eventRef(options: RunOptions, repository: Repository): string {
  const pullRequest = options.payload?.['pull_request'] as { readonly base?: { readonly ref?: unknown } } | undefined
  const base = pullRequest?.base?.ref
  return typeof base === 'string' ? base : repository.ref
}

/** What `types` filters by; a payload without one passes every filter. */
function activityOf(options: RunOptions): string | null {
  const action = options.payload?.['action']
  return typeof action === 'string' ? action : null
}

/** `push` is only the default: a workflow file that the user names runs even if it listens to something else. */
function eventWasNamed(options: RunOptions): boolean {
  return options.event !== DEFAULT_EVENT
}

const DEFAULT_EVENT = 'push'

/** @throws AgentError NOTHING_TO_RUN, JOB_UNKNOWN. */
export function selectTriggered(matched: readonly SelectedWorkflow[], options: RunOptions): WorkflowPlan[] {
  const triggered = matched.filter((workflow) => workflow.triggered).map((workflow) => workflow.plan)
  if (triggered.length === 0) {
    const reasons = matched.map(({ plan, reason }) => `${plan.file}: ${reason}`).join('; ')
    throw new AgentError('NOTHING_TO_RUN', `Cannot run anything: the event "${options.event}" triggers no workflow (${reasons})`, {
      hint: 'Name another event with --event, or a workflow file',
    })
  }
  if (options.job === null) return triggered
  const withJob = triggered.filter((plan) => plan.jobs.some((job) => job.id === options.job))
  if (withJob.length > 0) return withJob
  const known = triggered.flatMap((plan) => plan.jobs.map((job) => job.id))
  throw new AgentError(
    'JOB_UNKNOWN',
    `Cannot run job "${options.job}": the triggered workflows have ${known.map((id) => `"${id}"`).join(', ')}`,
  )
}

/** Values of the `inputs` context. @throws AgentError INPUT_INVALID naming the input and what would be right. */
export function resolveInputs(plan: WorkflowPlan, options: RunOptions): { readonly [key: string]: Json } {
  const trigger: Trigger | undefined = plan.triggers.find(({ event }) => event === 'workflow_dispatch')
  const declared = options.event === 'workflow_dispatch' ? (trigger?.inputs ?? []) : []
  for (const name of Object.keys(options.inputs)) {
    if (declared.some((input) => input.name === name)) continue
    const known = declared.map((input) => `"${input.name}"`).join(', ') || 'none'
    throw new AgentError('INPUT_INVALID', `Cannot use --input ${name}: ${plan.file} declares ${known} for the event "${options.event}"`)
  }
  return Object.fromEntries(declared.map((input) => [input.name, inputValue(plan, input, options.inputs[input.name])]))
}

function inputValue(plan: WorkflowPlan, input: WorkflowInput, given: string | undefined): Json {
  const invalid = (wanted: string): AgentError =>
    new AgentError('INPUT_INVALID', `Cannot use --input ${input.name}=${given}: ${plan.file} wants ${wanted}`)
  if (given === undefined) {
    if (input.required && input.default === null)
      throw new AgentError('INPUT_INVALID', `Cannot run ${plan.file}: the input "${input.name}" is required`, {
        hint: `Give it with --input ${input.name}=VALUE`,
      })
    return input.default ?? (input.type === 'boolean' ? false : '')
  }
  if (input.type === 'boolean') {
    if (given !== 'true' && given !== 'false') throw invalid('true or false')
    return given === 'true'
  }
  if (input.type === 'number') {
    if (given.trim() === '' || Number.isNaN(Number(given))) throw invalid('a number')
    return Number(given)
  }
  if (input.type === 'choice' && !input.options.includes(given)) throw invalid(`one of ${input.options.join(', ')}`)
  return given
}
