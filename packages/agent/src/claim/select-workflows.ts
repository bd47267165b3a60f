// SPDX-License-Identifier: Apache-2.0
import type { Json } from '@sallyport/engine'
import { matchTrigger, type Trigger, WorkflowError, type WorkflowInput, type WorkflowPlan } from '@sallyport/workflow'
import { AgentError } from '../agent-error.ts'
import type { RunOptions } from '../contract.ts'
import { listChangedPaths, type Repository } from './repository.spawn.ts'
import type { ReadWorkflow } from './workflow-files.ts'

export interface MatchedWorkflow extends ReadWorkflow {
  /** What it is run for: the user's event, or for a named file that does not know `push` the one that it does know. */
  readonly event: string
  readonly triggered: boolean
  /** Why not, when it is not. */
  readonly reason: string | null
}

/** Which of the files the event triggers. Those that the user named run whatever their filters say, as long as they know the event. */
export async function matchWorkflows(
  files: readonly ReadWorkflow[],
  options: RunOptions,
  repository: Repository,
): Promise<MatchedWorkflow[]> {
  const changedPaths = await listChangedPaths(repository)
  const named = options.files.length > 0
  return files.map((file) => {
    const event = named ? eventOf(file, options) : options.event
    const match = matchTrigger(file, { event, ref: eventRef(options, repository), changedPaths, activity: activityOf(options) })
    const triggered = match.triggered || (named && file.triggers.some((trigger) => trigger.event === event))
    return { ...file, event, triggered, reason: triggered ? null : match.reason }
  })
}

/** `push` is only the default: a workflow file that the user names runs for what it listens to. */
function eventOf(file: ReadWorkflow, options: RunOptions): string {
  const events = file.triggers.map((trigger) => trigger.event)
  if (options.event !== DEFAULT_EVENT || events.includes(DEFAULT_EVENT)) return options.event
  return events.includes('workflow_dispatch') ? 'workflow_dispatch' : (events[0] ?? options.event)
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

const DEFAULT_EVENT = 'push'

/** A workflow to run, and the event that it runs for. */
export interface TriggeredWorkflow {
  readonly plan: WorkflowPlan
  readonly event: string
}

/**
 * @throws AgentError NOTHING_TO_RUN, JOB_UNKNOWN.
 * @throws WorkflowError when a triggered file asks for what is not supported; one that nothing triggers is nobody's concern.
 */
export function selectTriggered(matched: readonly MatchedWorkflow[], options: RunOptions): TriggeredWorkflow[] {
  const triggered = matched.filter((workflow) => workflow.triggered)
  if (triggered.length === 0) {
    const reasons = matched.map(({ file, reason }) => `${file}: ${reason}`).join('; ')
    throw new AgentError('NOTHING_TO_RUN', `Cannot run anything: the event "${options.event}" triggers no workflow (${reasons})`, {
      hint: 'Name another event with --event, or a workflow file',
    })
  }
  const problems = triggered.flatMap(({ unsupported }) => unsupported?.problems ?? [])
  if (problems.length > 0) throw new WorkflowError('WORKFLOW_INVALID', problems)
  const runnable = triggered.flatMap(({ plan, event }) => (plan === null ? [] : [{ plan, event }]))
  if (options.job === null) return runnable
  const withJob = runnable.filter(({ plan }) => plan.jobs.some((job) => job.id === options.job))
  if (withJob.length > 0) return withJob
  const known = runnable.flatMap(({ plan }) => plan.jobs.map((job) => `"${job.id}"`)).join(', ')
  throw new AgentError('JOB_UNKNOWN', `Cannot run job "${options.job}": the triggered workflows have ${known}`)
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
