// SPDX-License-Identifier: Apache-2.0
import { formatDuration, messageOf } from '@sallyport/core'
import type { JobPlan } from '@sallyport/workflow'
import type { Conclusion, EngineCommand, EngineEvent, EngineInput, JobImageFacts, JobInstance, JobResult } from './contract.ts'
import { EngineError } from './errors.ts'
import { evaluateIf } from './evaluation.ts'
import type { ExpandedJob } from './job-expansion.ts'
import { type JobOutputs, jobOutputs } from './job-outputs.ts'
import { type Asks, type Frame, type JobState, quotable, type StepAnswer, StepCancelled, type StepCommand } from './job-state.ts'
import { applyWorkflowCommand } from './step-files.ts'
import { CANCEL_GRACE_MS } from './step-process.ts'
import { evaluatedNow } from './step-scope.ts'
import { runJobSteps } from './steps.ts'

const ANSWERS: Readonly<Record<StepCommand['type'], StepAnswer['type']>> = {
  'start-process': 'process-exited',
  checkout: 'checkout-done',
  'load-action': 'action-loaded',
  'hash-files': 'files-hashed',
}

/** Events that name a job. */
export type JobEvent = Extract<EngineEvent, { job: string }>

export interface JobRunOptions {
  readonly input: EngineInput
  readonly plan: JobPlan
  readonly job: ExpandedJob
  readonly send: (command: EngineCommand) => void
  /** Bytes of the outputs of jobs that are done. */
  readonly runOutputBytes: () => number
}

/**
 * One job from `queued` to `closed`. Once it has sent `start-job`, it sends `end-job` exactly once, waits for
 * `job-closed`, and sends nothing after `end-job`; what arrives late from the host is ignored.
 */
export class JobRun {
  readonly continueOnError: boolean
  readonly #options: JobRunOptions
  readonly #state: JobState
  #phase: 'queued' | 'starting' | 'running' | 'publishing' | 'closing' | 'closed' = 'queued'
  #steps: Asks<void> | null = null
  #question: StepCommand | null = null
  #startedMs = 0
  #isTimedOut = false
  #conclusion: Conclusion | null = null
  #outputs: JobOutputs = { values: {}, bytes: 0 }

  constructor(options: JobRunOptions) {
    this.#options = options
    this.continueOnError = options.job.continueOnError
    this.#state = newState(options)
  }

  get instance(): JobInstance {
    return this.#state.instance
  }

  get isQueued(): boolean {
    return this.#phase === 'queued'
  }

  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /** Counts against `max-parallel` and the run's own limit. */
  get isActive(): boolean {
    return !this.isQueued && !this.isClosed
  }

  /** Null until the last step is done. */
  get conclusion(): Conclusion | null {
    return this.#conclusion
  }

  get outputs(): JobOutputs {
    return this.#outputs
  }

  result(): JobResult {
    const { key, id, name, matrix } = this.instance
    const conclusion = this.#conclusion ?? (this.isQueued ? 'skipped' : this.#state.root.status)
    return { key, id, name, matrix, conclusion, outputs: this.#outputs.values, steps: [...this.#state.results.values()] }
  }

  start(nowMs: number): void {
    this.#phase = 'starting'
    this.#startedMs = nowMs
    this.#options.send({ type: 'start-job', job: this.instance, container: this.#options.job.container?.request ?? null })
  }

  handle(event: JobEvent, nowMs: number): void {
    if (this.#phase === 'queued' || (event.type === 'job-closed' && this.#phase !== 'closing')) throw unexpected(event)
    if (event.type === 'job-closed') this.#phase = 'closed'
    // Late news of a job that has ended: the host could not know.
    if (this.#phase === 'closing' || this.#phase === 'closed') return
    this.#state.nowMs = nowMs
    this.#handleOpen(event)
  }

  #handleOpen(event: JobEvent): void {
    switch (event.type) {
      case 'job-started':
        this.#begin(event)
        break
      case 'job-refused':
        if (this.#phase !== 'starting') throw unexpected(event)
        this.#end(this.#state.isCancelled ? 'cancelled' : 'failure', event.message)
        break
      case 'job-lost':
        this.#lose(event.message)
        break
      case 'job-timed-out':
        this.#timeOut()
        break
      case 'workflow-command':
        this.#store(event)
        break
      case 'process-exited':
      case 'checkout-done':
      case 'action-loaded':
      case 'files-hashed':
        this.#answer(event)
        break
      case 'published':
        if (this.#phase !== 'publishing') throw unexpected(event)
        this.#end(event.error === null ? 'success' : 'failure', event.error)
        break
      case 'job-closed':
        throw unexpected(event)
      default:
        event satisfies never
    }
  }

  /** Steps whose condition still holds go on, as on GitHub; the others end, and `always()` steps follow. */
  cancel(nowMs: number): void {
    if (this.#phase === 'queued') this.#closeUnstarted(nowMs)
    if ((this.#phase !== 'starting' && this.#phase !== 'running') || this.#state.isCancelled) return
    const job = this.#state
    job.nowMs = nowMs
    job.isCancelled = true
    job.graceEndsMs = nowMs + CANCEL_GRACE_MS
    job.root.status = 'cancelled'
    if (cancelFrames(job) && job.process !== null) this.#stopProcess(job.process)
  }

  #closeUnstarted(nowMs: number): void {
    this.#startedMs = nowMs
    this.#state.nowMs = nowMs
    this.#phase = 'closed'
    this.#conclude('cancelled', null)
  }

  #begin(event: Extract<EngineEvent, { type: 'job-started' }>): void {
    if (this.#phase !== 'starting') throw unexpected(event)
    this.#phase = 'running'
    this.#state.image = event.image
    if (this.#state.isCancelled) return this.#endEarly()
    this.#steps = runJobSteps(this.#state)
    this.#advance(this.#steps.next())
  }

  #answer(event: StepAnswer): void {
    const question = this.#question
    if (this.#steps === null || question === null || ANSWERS[question.type] !== event.type || question.step !== event.step)
      throw unexpected(event)
    this.#question = null
    this.#advance(this.#steps.next(event))
  }

  #advance(next: IteratorResult<StepCommand, void>): void {
    if (next.done === true) return this.#finish()
    this.#question = next.value
    this.#options.send(next.value)
  }

  #store(event: Extract<EngineEvent, { type: 'workflow-command' }>): void {
    const frame = this.#state.frames.at(-1)
    if (frame !== undefined && this.#state.process === event.step) applyWorkflowCommand(frame, event.command, event.name, event.value)
  }

  /** Like a cancellation; in a job that is cancelled already, clean-up has taken too long, and nothing more starts. */
  #timeOut(): void {
    const job = this.#state
    if (this.#phase === 'publishing') {
      this.#isTimedOut = true
      return this.#endEarly()
    }
    if (!job.isCancelled) {
      this.#isTimedOut = true
      this.cancel(job.nowMs)
      return
    }
    job.isForced = true
    if (job.process !== null) this.#stopProcess(job.process)
  }

  #stopProcess(step: string): void {
    this.#options.send({ type: 'cancel-step', job: this.instance.key, step })
  }

  /** Ends the running steps where they stand: nothing can be asked of the host any more. */
  #lose(message: string): void {
    const job = this.#state
    job.isForced = true
    const reason = job.isCancelled ? new StepCancelled() : new EngineError('ENGINE_JOB_LOST', message)
    if (this.#phase !== 'publishing' && this.#steps?.throw(reason).done === false) throw new TypeError('A lost job asked for more')
    this.#end(job.isCancelled && !this.#isTimedOut ? 'cancelled' : 'failure', message)
  }

  #finish(): void {
    if (this.#isTimedOut) return this.#endEarly()
    const { status } = this.#state.root
    try {
      this.#outputs = jobOutputs(this.#state, this.#options.runOutputBytes())
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) throw thrown
      return this.#end(status === 'success' ? 'failure' : status, messageOf(thrown))
    }
    if (status !== 'success' || !this.#options.input.publishing.includes(this.instance.id)) return this.#end(status, null)
    this.#phase = 'publishing'
    this.#options.send({ type: 'publish', job: this.instance.key })
  }

  /** A job that ran out of time has failed: it must not look like one that somebody cancelled. */
  #endEarly(): void {
    if (!this.#isTimedOut) return this.#end('cancelled', null)
    this.#end('failure', `the job ran longer than its limit of ${formatDuration(this.instance.timeoutMs)}`)
  }

  #end(conclusion: Conclusion, message: string | null): void {
    this.#conclude(conclusion, message)
    this.#phase = 'closing'
    this.#options.send({ type: 'end-job', job: this.instance.key, conclusion })
  }

  #conclude(conclusion: Conclusion, message: string | null): void {
    const job = this.#state
    this.#conclusion = conclusion
    job.report({
      type: 'job.finished',
      job: this.instance.key,
      data: {
        name: this.instance.name,
        conclusion,
        durationMs: job.nowMs - this.#startedMs,
        outputs: this.#outputs.values,
        message: message === null ? null : quotable(job.input, message),
      },
    })
  }
}

/** Until the host says more. */
const NO_IMAGE_FACTS: JobImageFacts = { env: {}, shell: null, nodeProblem: null }

function newState({ input, plan, job, send }: JobRunOptions): JobState {
  return {
    input,
    plan,
    instance: job.instance,
    contexts: job.contexts,
    env: new Map(job.env),
    containerEnv: job.container?.env ?? new Map(),
    image: NO_IMAGE_FACTS,
    paths: [],
    root: { status: 'success', steps: new Map(), inputs: input.inputs, composite: null, depth: 0 },
    frames: [],
    posts: [],
    results: new Map(),
    actionNames: new Map(),
    process: null,
    isCancelled: false,
    isForced: false,
    graceEndsMs: null,
    nowMs: 0,
    report: (event) => send({ type: 'report', event }),
  }
}

/** From the outermost running step inwards, up to one that goes on; false when there is such a one. */
function cancelFrames(job: JobState): boolean {
  for (const frame of job.frames) {
    frame.scope.status = 'cancelled'
    if (holdsNow(job, frame)) return false
    frame.isCancelled = true
  }
  return true
}

function holdsNow(job: JobState, frame: Frame): boolean {
  return evaluatedNow(job, frame, (where) => evaluateIf(frame.condition, where, frame.conditionDefault), false)
}

function unexpected(event: EngineEvent): TypeError {
  return new TypeError(`Unexpected engine event ${event.type}: nothing was asked for that it answers`)
}
