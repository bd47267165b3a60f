// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@sallyport/core'
import type { EngineEvent, StepProcess } from './contract.ts'
import { EngineError } from './errors.ts'
import type { Asks, Attempt, Frame, JobState } from './job-state.ts'
import { warn } from './job-state.ts'
import { stepEnvironment } from './step-environment.ts'
import { applyStepFiles, commandProblem } from './step-files.ts'
import { ask, envLayers, expectAnswer, framesAround, githubContext } from './step-scope.ts'

/** Time that `always()` steps have after a job was cancelled: GitHub's, in all. */
export const CANCEL_GRACE_MS: number = 5 * 60_000

type ProcessExited = Extract<EngineEvent, { type: 'process-exited' }>

export interface ProcessRequest {
  /** The step's key, or that of its `pre` or `post`. */
  readonly key: string
  readonly argv: readonly string[]
  readonly script: StepProcess['script']
  readonly workingDirectory: string
  /** `INPUT_*` and `STATE_*`. */
  readonly variables: ReadonlyMap<string, string>
}

/** Runs one process of a step and takes over what it left in its files. */
export function* runProcess(job: JobState, frame: Frame, request: ProcessRequest): Asks<Attempt> {
  const timeoutMs = timeLeft(job, frame)
  if (timeoutMs !== null && timeoutMs <= 0) return failed(null, timeoutMessage(job, frame))
  const process: StepProcess = {
    argv: checkArguments(request.argv),
    env: stepEnvironment({
      input: job.input,
      github: githubContext(job, frame),
      base: new Map([...Object.entries(job.image.env), ...job.containerEnv]),
      layers: envLayers(job, frame),
      paths: job.paths,
      action: request.variables,
    }),
    workingDirectory: request.workingDirectory,
    script: request.script,
    timeoutMs,
    secrets: frame.secrets,
  }
  frame.commandCharacters = 0
  job.process = request.key
  const answer = yield* ask(job, frame, { type: 'start-process', job: job.instance.key, step: request.key, process })
  job.process = null
  return processed(job, frame, request.key, expectAnswer(answer, 'process-exited'))
}

function processed(job: JobState, frame: Frame, key: string, exit: ProcessExited): Attempt {
  const attempt = attemptOf(job, frame, exit)
  // A process that never ran wrote nothing.
  const problems = exit.ended === 'failed-to-start' ? [] : [...applyStepFiles(job, frame, key, exit.files)]
  const stored = commandProblem(frame)
  if (stored !== null) problems.push(stored)
  const isFirst = attempt.outcome === 'success'
  for (const problem of problems.slice(isFirst ? 1 : 0)) warn(job, key, problem)
  return isFirst && problems[0] !== undefined ? failed(exit.exitCode, problems[0]) : attempt
}

function attemptOf(job: JobState, frame: Frame, exit: ProcessExited): Attempt {
  switch (exit.ended) {
    case 'exited':
      return exit.exitCode === 0 ? succeeded() : failed(exit.exitCode, exit.message ?? `the process ended with exit code ${exit.exitCode}`)
    case 'signalled':
      return failed(exit.exitCode, `the process was killed by signal ${(exit.exitCode ?? 128) - 128}`)
    case 'timed-out':
      return failed(exit.exitCode, timeoutMessage(job, frame))
    case 'cancelled':
      return { outcome: 'cancelled', exitCode: exit.exitCode, message: 'the step was cancelled' }
    case 'limit':
      return failed(exit.exitCode, exit.message ?? 'the step ran into a limit')
    case 'failed-to-start':
      return failed(exit.exitCode, exit.message ?? 'the process could not be started')
    default:
      return exit.ended satisfies never
  }
}

export function succeeded(): Attempt {
  return { outcome: 'success', exitCode: 0, message: null }
}

export function failed(exitCode: number | null, message: string): Attempt {
  return { outcome: 'failure', exitCode, message }
}

/** The strictest of the limits of the step, of the `uses` steps around it, and of a cancelled job. */
function timeLeft(job: JobState, frame: Frame): number | null {
  const ends = [...framesAround(frame).map(({ deadlineMs }) => deadlineMs), job.graceEndsMs].filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends) - job.nowMs
}

function timeoutMessage(job: JobState, frame: Frame): string {
  const limited = framesAround(frame).find(({ deadlineMs }) => deadlineMs !== null && deadlineMs <= job.nowMs)
  if (limited === undefined && job.graceEndsMs !== null)
    return `the step did not end within ${formatDuration(CANCEL_GRACE_MS)} after the job was cancelled`
  return 'the step ran longer than its timeout-minutes'
}

function checkArguments(argv: readonly string[]): readonly string[] {
  const bad = argv.find((argument) => argument.includes('\0'))
  if (bad === undefined && argv[0] !== undefined && argv[0] !== '') return argv
  throw new EngineError('ENGINE_VALUE_INVALID', 'Cannot start the step: its command is empty or contains a NUL character')
}
