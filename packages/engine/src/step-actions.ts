// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import type { ActionInput, ActionPlan, CompositeRuns, NodeRuns, StepPlan, UsesStepPlan } from '@sallyport/workflow'
import { EngineError } from './errors.ts'
import { evaluateIf, evaluateText, evaluateTexts, type Scope } from './evaluation.ts'
import { type Asks, type Attempt, type Frame, type JobState, StepCancelled, type StepScope, warn } from './job-state.ts'
import { mapOf } from './json.ts'
import { joinPath } from './sandbox-path.ts'
import { settled } from './settled.ts'
import { inputVariables, stateVariables } from './step-environment.ts'
import { failed, runProcess, succeeded } from './step-process.ts'
import { reportStart } from './step-report.ts'
import { ask, evaluated, expectAnswer } from './step-scope.ts'

/** GitHub's documented depth of composite actions in composite actions. */
const COMPOSITE_DEPTH_MAX = 10

/** Inputs of `actions/checkout` with the defaults that its page documents; what is not among them is warned about. */
const CHECKOUT_DEFAULTS: Readonly<Record<string, string>> = {
  repository: '',
  ref: '',
  token: '',
  'ssh-key': '',
  'ssh-known-hosts': '',
  'ssh-strict': 'true',
  'ssh-user': 'git',
  'persist-credentials': 'true',
  path: '',
  clean: 'true',
  filter: '',
  'sparse-checkout': '',
  'sparse-checkout-cone-mode': 'true',
  'fetch-depth': '1',
  'fetch-tags': 'false',
  'show-progress': 'true',
  lfs: 'false',
  submodules: 'false',
  'set-safe-directory': 'true',
  'github-server-url': '',
}

/** Runs the steps of a composite action; given by the caller, which is also called from here. */
export type RunSteps = (job: JobState, scope: StepScope, steps: readonly StepPlan[], prefix: string) => Asks<void>

export function* runUses(job: JobState, frame: Frame, step: UsesStepPlan, runSteps: RunSteps): Asks<Attempt> {
  return step.uses.kind === 'checkout' ? yield* runCheckout(job, frame, step) : yield* runLocal(job, frame, step, step.uses.path, runSteps)
}

function* runCheckout(job: JobState, frame: Frame, step: UsesStepPlan): Asks<Attempt> {
  const given = yield* evaluated(job, frame, (where) => inputsGiven(step, where))
  warnUnknown(job, frame, given, Object.keys(CHECKOUT_DEFAULTS))
  const inputs = { ...CHECKOUT_DEFAULTS, ...Object.fromEntries(given) }
  const answer = expectAnswer(yield* ask(job, frame, { type: 'checkout', job: job.instance.key, step: frame.key, inputs }), 'checkout-done')
  if (answer.error !== null) return failed(null, answer.error)
  frame.outputs.set('ref', answer.ref).set('commit', answer.commit)
  return frame.isCancelled ? { outcome: 'cancelled', exitCode: null, message: 'the step was cancelled' } : succeeded()
}

function* runLocal(job: JobState, frame: Frame, step: UsesStepPlan, path: string, runSteps: RunSteps): Asks<Attempt> {
  if (frame.scope.depth >= COMPOSITE_DEPTH_MAX) {
    throw new EngineError(
      'ENGINE_LIMIT',
      `Cannot use the action ${path}: composite actions are nested more than ${COMPOSITE_DEPTH_MAX} deep`,
    )
  }
  // The parser refuses paths that leave the workspace; what is left of one would end at its root.
  const directory = joinPath('/', path).slice(1)
  const action = yield* loadAction(job, frame, path, directory)
  const given = yield* evaluated(job, frame, (where) => inputsGiven(step, where))
  warnUnknown(
    job,
    frame,
    given,
    action.inputs.map(({ name }) => name.toLowerCase()),
  )
  warnDeprecated(job, frame, given, action.inputs)
  // The action's file is the job's: its defaults see no secret.
  const defaults = yield* evaluated(job, frame, (where) => inputDefaults(action.inputs, given, where), 'no secrets')
  const inputs = new Map([...defaults, ...given])
  const { runs } = action
  if (isComposite(runs)) return yield* runComposite(job, frame, { action, runs, inputs, directory }, runSteps)
  return yield* runNode(job, frame, { runs, inputs, directory: joinPath(job.input.paths.workspace, directory) })
}

function isComposite(runs: ActionPlan['runs']): runs is CompositeRuns {
  return runs.using === 'composite'
}

function* loadAction(job: JobState, frame: Frame, path: string, directory: string): Asks<ActionPlan> {
  const answer = expectAnswer(
    yield* ask(job, frame, { type: 'load-action', job: job.instance.key, step: frame.key, path: directory }),
    'action-loaded',
  )
  const cannot = `Cannot use the action ${path}: `
  if (answer.error !== null) throw new EngineError('ENGINE_VALUE_INVALID', `${cannot}${answer.error}`)
  if (answer.text === null) {
    throw new EngineError(
      'ENGINE_VALUE_INVALID',
      `${cannot}the workspace has no action.yml or action.yaml there; does a checkout step come before it?`,
    )
  }
  try {
    return job.input.parseAction(answer.file, answer.text)
  } catch (thrown) {
    // Untrusted text: whatever the parser does with it is this step's failure, and no more.
    throw new EngineError('ENGINE_VALUE_INVALID', `${cannot}${messageOf(thrown)}`, { cause: thrown })
  }
}

/** Input names know no case. */
function inputsGiven(step: UsesStepPlan, where: Scope): ReadonlyMap<string, string> {
  return new Map([...evaluateTexts(step.with, where)].map(([name, value]) => [name.toLowerCase(), value]))
}

function inputDefaults(inputs: readonly ActionInput[], given: ReadonlyMap<string, string>, where: Scope): ReadonlyMap<string, string> {
  const missing = inputs.filter(({ name }) => !given.has(name.toLowerCase()))
  return new Map(missing.map((input) => [input.name.toLowerCase(), input.default === null ? '' : evaluateText(input.default, where)]))
}

function warnUnknown(job: JobState, frame: Frame, given: ReadonlyMap<string, string>, known: readonly string[]): void {
  const unknown = [...given.keys()].filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  warn(job, frame.key, `the action has no input ${unknown.join(', ')}; it has ${known.length === 0 ? 'none' : known.join(', ')}`)
}

function warnDeprecated(job: JobState, frame: Frame, given: ReadonlyMap<string, string>, inputs: readonly ActionInput[]): void {
  for (const { name, deprecationMessage } of inputs) {
    if (deprecationMessage !== null && given.has(name.toLowerCase()))
      warn(job, frame.key, `input ${name} is deprecated: ${deprecationMessage}`)
  }
}

interface CompositeAction {
  readonly action: ActionPlan
  readonly runs: CompositeRuns
  readonly inputs: ReadonlyMap<string, string>
  readonly directory: string
}

function* runComposite(
  job: JobState,
  frame: Frame,
  { action, runs, inputs, directory }: CompositeAction,
  runSteps: RunSteps,
): Asks<Attempt> {
  if (frame.isCancelled) throw new StepCancelled()
  const inner: StepScope = {
    status: 'success',
    steps: new Map(),
    inputs: mapOf(inputs),
    composite: { frame, directory: joinPath(job.input.paths.workspace, directory) },
    depth: frame.scope.depth + 1,
  }
  yield* runSteps(job, inner, runs.steps, `${frame.key}.`)
  const seen: Frame = { ...frame, scope: { ...inner }, env: new Map() }
  for (const { name, value } of action.outputs) {
    if (value !== null) frame.outputs.set(name, yield* evaluated(job, seen, (where) => evaluateText(value, where)))
  }
  if (inner.status === 'success') return succeeded()
  return {
    outcome: inner.status,
    exitCode: null,
    message: inner.status === 'failure' ? 'a step of the action failed' : 'the step was cancelled',
  }
}

interface NodeAction {
  readonly runs: NodeRuns
  readonly inputs: ReadonlyMap<string, string>
  /** Absolute, inside the sandbox. */
  readonly directory: string
}

/** `pre` runs right before `main`, not at the start of the job: only then does the workspace hold the action. */
function* runNode(job: JobState, frame: Frame, { runs, inputs, directory }: NodeAction): Asks<Attempt> {
  if (job.image.nodeProblem !== null) return failed(null, `Cannot run a JavaScript action: ${job.image.nodeProblem}`)
  frame.actionPath = directory
  const variables = inputVariables(inputs)
  const { pre, preIf, post } = runs
  if (pre !== null && (yield* evaluated(job, frame, (where) => evaluateIf(preIf, where, 'always'), 'no secrets'))) {
    const attempt = yield* runPre(job, frame, { key: `${frame.key}.pre`, path: joinPath(directory, pre), variables })
    if (attempt.outcome !== 'success') return { ...attempt, message: 'the pre script of the action did not succeed' }
  }
  if (post !== null) job.posts.push({ main: frame, condition: runs.postIf, path: joinPath(directory, post), variables })
  return yield* runScriptFile(job, frame, { key: frame.key, path: joinPath(directory, runs.main), variables })
}

function* runPre(job: JobState, frame: Frame, file: ScriptFile): Asks<Attempt> {
  const finish = reportStart(job, { key: file.key, name: `Pre ${frame.name}`, number: frame.number, secrets: frame.secrets })
  const attempt = yield* settled(job, frame, runScriptFile(job, frame, file))
  finish(attempt, attempt.outcome)
  return attempt
}

export interface ScriptFile {
  readonly key: string
  readonly path: string
  readonly variables: ReadonlyMap<string, string>
}

/** Runs a JavaScript file of an action with the runner's Node. */
export function* runScriptFile(job: JobState, frame: Frame, file: ScriptFile): Asks<Attempt> {
  return yield* runProcess(job, frame, {
    key: file.key,
    argv: [job.input.paths.node, file.path],
    script: null,
    workingDirectory: job.input.paths.workspace,
    variables: new Map([...file.variables, ...stateVariables(frame.state)]),
  })
}
