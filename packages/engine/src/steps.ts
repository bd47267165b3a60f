// SPDX-License-Identifier: Apache-2.0
import { type ConditionPlan, type RunStepPlan, type StepPlan, secretsOfStep } from '@sallyport/workflow'
import { givenSecrets } from './contexts.ts'
import type { Conclusion } from './contract.ts'
import { displayName } from './display-text.ts'
import { EngineError } from './errors.ts'
import { evaluateBoolean, evaluateIf, evaluateOptionalText, evaluatePositive, evaluateText, evaluateTexts } from './evaluation.ts'
import { type Asks, type Attempt, type Frame, type JobState, type Post, quotable, StepCancelled, type StepScope } from './job-state.ts'
import { joinPath } from './sandbox-path.ts'
import { settled } from './settled.ts'
import { shellCommand } from './shell.ts'
import { runScriptFile, runUses } from './step-actions.ts'
import { runProcess, succeeded } from './step-process.ts'
import { reportSkipped, reportStart } from './step-report.ts'
import { envLayers, evaluated, evaluatedNow, outputsContext } from './step-scope.ts'

/** Bounds what a composite action that calls itself can add to a job's record. */
const JOB_STEPS_MAX = 10_000

/** All steps of a job, then the posts of its actions in reverse order. */
export function* runJobSteps(job: JobState): Asks<void> {
  yield* runSteps(job, job.root, job.plan.steps, '')
  for (let number = job.plan.steps.length + 1; !job.isForced; number += 1) {
    const post = job.posts.pop()
    if (post === undefined) break
    yield* runPost(job, post, number)
  }
}

function* runSteps(job: JobState, scope: StepScope, steps: readonly StepPlan[], prefix: string): Asks<void> {
  for (const [index, step] of steps.entries()) {
    if (job.isForced) return
    yield* runFrame(job, stepFrame(job, scope, step, { key: `${prefix}${index + 1}`, number: index + 1 }))
  }
}

function stepFrame(job: JobState, scope: StepScope, step: StepPlan, at: { readonly key: string; readonly number: number }): Frame {
  return {
    ...at,
    step,
    scope,
    condition: step.if,
    conditionDefault: 'success',
    secrets: scope.composite?.frame.secrets ?? givenSecrets(job.input, secretsOfStep(job.input.workflow, job.plan, step)),
    action: actionName(job, step),
    actionPath: scope.composite?.directory ?? null,
    name: fallbackName(step),
    env: new Map(),
    hashes: new Map(),
    outputs: new Map(),
    state: new Map(),
    commandCharacters: 0,
    deadlineMs: null,
    isCancelled: false,
  }
}

/** `github.action`: the step's id, or a name that is unique in the job. */
function actionName(job: JobState, step: StepPlan): string {
  if (step.id !== null) return step.id
  const base = step.kind === 'run' ? '__run' : step.uses.kind === 'local' ? '__self' : 'actionscheckout'
  const count = (job.actionNames.get(base) ?? 0) + 1
  job.actionNames.set(base, count)
  if (count === 1) return base
  return base.startsWith('__') ? `${base}_${count}` : `${base}${count}`
}

function* runFrame(job: JobState, frame: Frame): Asks<void> {
  job.frames.push(frame)
  const decision = yield* settled(job, frame, decide(job, frame))
  frame.name = stepName(job, frame)
  if (decision.outcome === 'skipped') {
    reportSkipped(job, frame, decision.message ?? '')
    conclude(job, frame, 'skipped', 'skipped')
  } else {
    const finish = reportStart(job, frame)
    const attempt = decision.outcome === 'success' ? yield* settled(job, frame, execute(job, frame)) : decision
    const [last, conclusion] = yield* forgive(job, frame, attempt)
    finish(last, conclusion)
    conclude(job, frame, last.outcome, conclusion)
  }
  job.frames.pop()
}

/** `success` to go on, `skipped` with the reason otherwise. `env` comes first: conditions see it. */
function* decide(job: JobState, frame: Frame): Asks<Attempt> {
  if (job.results.size >= JOB_STEPS_MAX)
    throw new EngineError('ENGINE_LIMIT', `Cannot run the step: the job has more than ${JOB_STEPS_MAX} steps`)
  frame.env = yield* evaluated(job, frame, (where) => evaluateTexts(frame.step.env, where))
  const holds = yield* evaluated(job, frame, (where) => evaluateIf(frame.condition, where, frame.conditionDefault))
  return holds ? succeeded() : { outcome: 'skipped', exitCode: null, message: skipReason(frame.condition, frame.conditionDefault) }
}

function skipReason(condition: ConditionPlan | null, fallback: string): string {
  if (condition === null) return `if: ${fallback}() is false`
  return `if: ${condition.callsStatusFunction ? '' : 'success() && '}${condition.expression} is false`
}

function* execute(job: JobState, frame: Frame): Asks<Attempt> {
  const { step } = frame
  if (step.timeoutMinutes !== null) {
    const minutes = yield* evaluated(job, frame, (where) => evaluatePositive(step.timeoutMinutes, where, 0))
    frame.deadlineMs = job.nowMs + minutes * 60_000
  }
  return step.kind === 'run' ? yield* runScript(job, frame, step) : yield* runUses(job, frame, step, runSteps)
}

function* runScript(job: JobState, frame: Frame, step: RunStepPlan): Asks<Attempt> {
  const { paths, workflow } = job.input
  // The job's and the workflow's defaults are not for the steps of actions.
  const defaults = frame.scope.composite === null ? [job.plan.defaults, workflow.defaults] : []
  const shellNode = step.shell ?? defaults.find(({ shell }) => shell !== null)?.shell ?? null
  const directoryNode =
    step.workingDirectory ?? defaults.find(({ workingDirectory }) => workingDirectory !== null)?.workingDirectory ?? null
  const { script, shell, directory } = yield* evaluated(job, frame, (where) => ({
    script: evaluateText(step.run, where),
    shell: evaluateOptionalText(shellNode, where),
    directory: evaluateOptionalText(directoryNode, where),
  }))
  const command = shellCommand(shell, script, { directory: paths.step, fallback: job.image.shell })
  return yield* runProcess(job, frame, {
    key: frame.key,
    argv: command.argv,
    script: command.script,
    workingDirectory: joinPath(paths.workspace, directory ?? ''),
    variables: new Map(),
  })
}

/** What counts for the job: a failure is forgiven by `continue-on-error`. */
function* forgive(job: JobState, frame: Frame, attempt: Attempt): Asks<readonly [Attempt, Conclusion]> {
  if (attempt.outcome !== 'failure' || frame.step.continueOnError === null) return [attempt, attempt.outcome]
  const compute = evaluated(job, frame, (where) => evaluateBoolean(frame.step.continueOnError, where, false))
  try {
    return [attempt, (yield* compute) ? 'success' : 'failure']
  } catch (thrown) {
    if (thrown instanceof StepCancelled) return [attempt, 'failure']
    if (thrown instanceof EngineError) return [{ ...attempt, message: `${attempt.message ?? 'failed'}; ${thrown.message}` }, 'failure']
    throw thrown
  }
}

function conclude(job: JobState, frame: Frame, outcome: Conclusion, conclusion: Conclusion): void {
  const { scope, step } = frame
  if (step.id !== null) scope.steps.set(step.id, { outputs: outputsContext(frame.outputs), outcome, conclusion })
  if (conclusion === 'failure' && scope.status === 'success') scope.status = 'failure'
  if (outcome !== 'cancelled') return
  // Also where a host cancels a step on its own: the job cannot go on as if nothing had happened.
  scope.status = 'cancelled'
  job.isCancelled = true
}

/** Runs with the environment, inputs and state that its main part had; its condition sees the whole job's status. */
function* runPost(job: JobState, post: Post, number: number): Asks<void> {
  const { main } = post
  const frame: Frame = {
    ...main,
    key: `${main.key}.post`,
    number,
    name: `Post ${main.name}`,
    condition: post.condition,
    conditionDefault: 'always',
    scope: { ...main.scope, status: job.root.status, composite: null },
    env: new Map(
      envLayers(job, main)
        .slice(1)
        .flatMap((layer) => [...layer]),
    ),
    hashes: new Map(),
    outputs: new Map(),
    deadlineMs: null,
    isCancelled: false,
  }
  job.frames.push(frame)
  const decision = yield* settled(job, frame, decidePost(job, frame))
  if (decision.outcome === 'skipped') reportSkipped(job, frame, decision.message ?? '')
  else {
    const finish = reportStart(job, frame)
    const file = { key: frame.key, path: post.path, variables: post.variables }
    const attempt = decision.outcome === 'success' ? yield* settled(job, frame, runScriptFile(job, frame, file)) : decision
    finish(attempt, attempt.outcome)
    if (attempt.outcome === 'failure' && job.root.status === 'success') job.root.status = 'failure'
  }
  job.frames.pop()
}

function* decidePost(job: JobState, frame: Frame): Asks<Attempt> {
  const holds = yield* evaluated(job, frame, (where) => evaluateIf(frame.condition, where, 'always'), 'no secrets')
  return holds ? succeeded() : { outcome: 'skipped', exitCode: null, message: skipReason(frame.condition, 'always') }
}

/** `name:`, or the script's first line; computed without secrets, and not worth a failure when it cannot be. */
function stepName(job: JobState, frame: Frame): string {
  const { step } = frame
  const node = step.name ?? (step.kind === 'run' ? step.run : null)
  const fallback = fallbackName(step)
  if (node === null) return fallback
  // As a whole first: a part of a secret would not be found.
  const text = quotable(
    job.input,
    evaluatedNow(job, frame, (where) => evaluateText(node, where), ''),
  ).trimStart()
  if (step.name !== null) return displayName(text) || fallback
  const line = text.split('\n', 1)[0]?.trim() ?? ''
  return line === '' ? fallback : displayName(`Run ${line}`)
}

function fallbackName(step: StepPlan): string {
  if (step.kind === 'run') return step.id === null ? 'Run a script' : `Run ${step.id}`
  return step.uses.kind === 'local' ? `Run ${step.uses.path}` : `Run actions/checkout@${step.uses.ref}`
}
