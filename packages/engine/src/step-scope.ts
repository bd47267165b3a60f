// SPDX-License-Identifier: Apache-2.0

import type { ExpressionFunction } from '@sallyport/workflow'
import { secretsContext, stepFilePath } from './contexts.ts'
import type { Json } from './contract.ts'
import { EngineError } from './errors.ts'
import { type Scope, scope, statusFunctions } from './evaluation.ts'
import { type Asks, type Frame, type JobState, type StepAnswer, StepCancelled, type StepCommand, type StepScope } from './job-state.ts'
import { isMap, type JsonMap, mapOf } from './json.ts'

/** Asks the host, unless the step was cancelled meanwhile. */
export function* ask(job: JobState, frame: Frame, command: StepCommand): Asks<StepAnswer> {
  if (frame.isCancelled || job.isForced) throw new StepCancelled()
  return yield command
}

/** The answer of the kind that the question calls for; another one is a host's mistake. */
export function expectAnswer<Type extends StepAnswer['type']>(answer: StepAnswer, type: Type): Extract<StepAnswer, { type: Type }> {
  if (answer.type !== type) throw new TypeError(`Expected the event ${type}, got ${answer.type}`)
  return answer as Extract<StepAnswer, { type: Type }>
}

/**
 * Computes what needs expressions. `hashFiles` reads files, which only the host can: where its result is not
 * known yet, the computation stops, the host is asked, and all is computed again.
 */
export function* evaluated<T>(
  job: JobState,
  frame: Frame,
  compute: (where: Scope) => T,
  secrets: 'secrets' | 'no secrets' = 'secrets',
): Asks<T> {
  for (;;) {
    let patterns: readonly string[]
    try {
      return compute(stepScope(job, frame, secrets === 'secrets'))
    } catch (thrown) {
      if (!(thrown instanceof HashUnknown)) throw thrown
      patterns = thrown.patterns
    }
    const answer = yield* ask(job, frame, { type: 'hash-files', job: job.instance.key, step: frame.key, patterns })
    const { hash, error } = expectAnswer(answer, 'files-hashed')
    if (error !== null) throw new EngineError('ENGINE_VALUE_INVALID', `Cannot hash the files ${patterns.join(', ')}: ${error}`)
    frame.hashes.set(JSON.stringify(patterns), hash)
  }
}

/** Computes now or gives `fallback`, also where a hash is not known: for names and for cancelling. */
export function evaluatedNow<T>(job: JobState, frame: Frame, compute: (where: Scope) => T, fallback: T): T {
  try {
    return compute(stepScope(job, frame, false))
  } catch (thrown) {
    if (thrown instanceof HashUnknown || thrown instanceof EngineError) return fallback
    throw thrown
  }
}

/** Leaves an evaluation that needs a hash first. */
class HashUnknown extends Error {
  override readonly name = 'HashUnknown'
  readonly patterns: readonly string[]

  constructor(patterns: readonly string[]) {
    super('the hash of the files is not known yet')
    this.patterns = patterns
  }
}

function hashFiles(frame: Frame): ExpressionFunction {
  return (...args) => {
    const patterns = args.map((arg) => (arg === null ? '' : String(arg)))
    const known = frame.hashes.get(JSON.stringify(patterns))
    if (known !== undefined) return known
    throw new HashUnknown(patterns)
  }
}

function stepScope(job: JobState, frame: Frame, seesSecrets: boolean): Scope {
  const { composite, status } = frame.scope
  const contexts: JsonMap = {
    ...job.contexts,
    github: githubContext(job, frame),
    env: mapOf(envLayers(job, frame).flatMap((layer) => [...layer])),
    job: { status: job.root.status },
    steps: mapOf(frame.scope.steps),
    runner: { ...job.input.runner, temp: job.input.paths.temp, tool_cache: job.input.paths.toolCache },
    inputs: frame.scope.inputs,
    // An action sees neither secrets nor what its caller needs: it gets inputs.
    ...(composite === null ? { secrets: secretsContext(job.input, seesSecrets ? frame.secrets : []) } : { needs: null, vars: null }),
  }
  const result = status === 'cancelled' ? null : status
  return scope(contexts, { ...statusFunctions({ result, isCancelled: job.isCancelled }), hashFiles: hashFiles(frame) })
}

/** The `github` context of one step, also the source of its `GITHUB_*` variables. */
export function githubContext(job: JobState, frame: Frame): JsonMap {
  const { paths } = job.input
  const shared = job.contexts['github']
  return {
    ...(isMap(shared) ? shared : {}),
    action: frame.action,
    ...(frame.actionPath === null ? {} : { action_path: frame.actionPath, action_ref: '', action_repository: '' }),
    env: stepFilePath(paths, 'env'),
    path: stepFilePath(paths, 'path'),
    output: stepFilePath(paths, 'output'),
    state: stepFilePath(paths, 'state'),
    step_summary: stepFilePath(paths, 'summary'),
  }
}

/** From the job's to the step's own, with those of the `uses` steps around it. */
export function envLayers(job: JobState, frame: Frame): readonly ReadonlyMap<string, string>[] {
  return [job.env, ...outerFrames(frame.scope).map(({ env }) => env), frame.env]
}

function outerFrames(inner: StepScope): readonly Frame[] {
  return inner.composite === null ? [] : [...outerFrames(inner.composite.frame.scope), inner.composite.frame]
}

/** All frames whose time limit holds for this step. */
export function framesAround(frame: Frame): readonly Frame[] {
  return [...outerFrames(frame.scope), frame]
}

/** The value of a step's outputs in the `steps` context. */
export function outputsContext(outputs: ReadonlyMap<string, string>): Json {
  return mapOf(outputs)
}
