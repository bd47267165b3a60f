// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { loadWorkflowParser } from '@sallyport/workflow'
import type {
  Conclusion,
  Engine,
  EngineCommand,
  EngineEvent,
  EngineInput,
  EngineReport,
  JobImageFacts,
  JobResult,
  StepFileContents,
  StepProcess,
} from './contract.ts'
import { createEngine } from './engine.ts'

const parser = await loadWorkflowParser()

export interface Exit {
  readonly exitCode?: number | null
  readonly ended?: Extract<EngineEvent, { type: 'process-exited' }>['ended']
  readonly message?: string
  readonly files?: Partial<StepFileContents>
  /** Events that reach the engine before the process ends. */
  readonly before?: readonly EngineEvent[]
}

export interface Started {
  readonly job: string
  readonly step: string
  readonly process: StepProcess
}

/** What a job finds on the host's own image. */
export const HOST_IMAGE: JobImageFacts = { env: {}, shell: 'bash', nodeProblem: null }

export interface DriveOptions {
  /** By default {@link HOST_IMAGE}. */
  readonly image?: JobImageFacts
  readonly input?: Partial<EngineInput>
  /** How a process ends; by default with code 0. Known by `job/step`, or all by a function. */
  readonly run?: ((started: Started) => Exit) | Readonly<Record<string, Exit>>
  /** Text of action files by directory. */
  readonly actions?: Readonly<Record<string, string>>
  readonly hash?: (patterns: readonly string[]) => { readonly hash: string; readonly error: string | null }
  readonly checkoutError?: string
  /** Why jobs of `input.publishing` publish nothing. */
  readonly publishError?: string
  /** Jobs whose sandbox is refused. */
  readonly refuse?: readonly string[]
  /** Which of the open questions is answered next; by default the oldest. */
  readonly pick?: (open: number) => number
  /** An event to put in after so many answers. */
  readonly inject?: (answers: number) => EngineEvent | null
}

export interface Driven {
  readonly engine: Engine
  readonly result: Conclusion
  readonly commands: readonly EngineCommand[]
  readonly reports: readonly EngineReport[]
  readonly started: readonly Started[]
  readonly jobs: Readonly<Record<string, JobResult>>
  /** `job/step` of each process in order, with its script where it has one. */
  readonly order: readonly string[]
  readonly warnings: readonly string[]
}

const NO_FILES: StepFileContents = { env: '', output: '', path: '', state: '', summary: '' }
const ANSWERS_MAX = 100_000

export function engineInput(yaml: string, overrides: Partial<EngineInput> = {}): EngineInput {
  return {
    workflow: parser.parseWorkflow('ci.yml', yaml),
    github: { event_name: 'push', repository: 'acme/app', ref: 'refs/heads/main', sha: 'c0ffee', token: 'never', event: { number: 7 } },
    runner: { name: 'test', os: 'Linux', arch: 'X64', environment: 'self-hosted' },
    vars: {},
    inputs: {},
    secrets: {},
    env: {},
    paths: { workspace: '/work', temp: '/temp', toolCache: '/tools', home: '/home', step: '/step', event: '/event.json', node: '/node' },
    onlyJob: null,
    onlyMatrix: {},
    jobsMax: 4,
    publishing: [],
    containsSecret: (text) => Object.values(overrides.secrets ?? {}).some((value) => value !== '' && text.includes(value)),
    parseAction: parser.parseAction,
    ...overrides,
  }
}

/** Plays the host until the engine has a result. */
export function drive(yaml: string, options: DriveOptions = {}): Driven {
  const engine = createEngine(engineInput(yaml, options.input))
  const commands: EngineCommand[] = []
  const open: EngineCommand[] = []
  const cancelled = new Set<string>()
  const order: string[] = []
  const started: Started[] = []
  let nowMs = 0
  const tell = (event: EngineEvent): void => {
    nowMs += 10
    for (const command of engine.handle(event, nowMs)) {
      commands.push(command)
      if (command.type === 'cancel-step') cancelled.add(`${command.job}/${command.step}`)
      else if (command.type !== 'report') open.push(command)
    }
  }
  tell({ type: 'start' })
  for (let answers = 0; engine.result() === null; answers += 1) {
    assert.ok(answers < ANSWERS_MAX, 'the engine does not come to an end')
    const injected = options.inject?.(answers) ?? null
    if (injected !== null) tell(injected)
    const [command] = open.splice((options.pick?.(open.length) ?? 0) % Math.max(open.length, 1), 1)
    if (command === undefined) {
      assert.notEqual(engine.result(), null, 'the engine asks for nothing and has no result')
      break
    }
    if (command.type === 'start-process') {
      order.push(`${command.job}/${command.step}`)
      started.push(command)
      const exit = exitOf(options, command)
      for (const event of exit.before ?? []) tell(event)
      const ended = cancelled.has(`${command.job}/${command.step}`) ? 'cancelled' : (exit.ended ?? 'exited')
      const exitCode = ended === 'cancelled' ? 143 : exit.exitCode === undefined ? 0 : exit.exitCode
      tell({
        type: 'process-exited',
        job: command.job,
        step: command.step,
        ended,
        exitCode,
        message: exit.message ?? null,
        files: { ...NO_FILES, ...exit.files },
      })
    } else tell(answerTo(command, options))
  }
  const reports = commands.flatMap((command) => (command.type === 'report' ? [command.event] : []))
  return {
    engine,
    result: engine.result() ?? assert.fail(),
    commands,
    reports,
    started,
    order,
    jobs: Object.fromEntries(engine.jobs().map((job) => [job.key, job])),
    warnings: reports.flatMap((report) => (report.type === 'step.warning' ? [report.data.message] : [])),
  }
}

function exitOf(options: DriveOptions, started: Started): Exit {
  if (typeof options.run === 'function') return options.run(started)
  return options.run?.[`${started.job}/${started.step}`] ?? {}
}

function answerTo(command: EngineCommand, options: DriveOptions): EngineEvent {
  switch (command.type) {
    case 'start-job':
      if (options.refuse?.includes(command.job.key) === true)
        return { type: 'job-refused', job: command.job.key, code: 'X', message: 'no walls' }
      return { type: 'job-started', job: command.job.key, image: options.image ?? HOST_IMAGE }
    case 'publish':
      return { type: 'published', job: command.job, error: options.publishError ?? null }
    case 'end-job':
      return { type: 'job-closed', job: command.job }
    case 'checkout':
      return {
        type: 'checkout-done',
        job: command.job,
        step: command.step,
        error: options.checkoutError ?? null,
        ref: 'refs/heads/main',
        commit: 'c0ffee',
      }
    case 'load-action': {
      const text = options.actions?.[command.path] ?? null
      return { type: 'action-loaded', job: command.job, step: command.step, file: `${command.path}/action.yml`, text, error: null }
    }
    case 'hash-files':
      return {
        type: 'files-hashed',
        job: command.job,
        step: command.step,
        ...(options.hash?.(command.patterns) ?? { hash: 'hash', error: null }),
      }
    default:
      return assert.fail(`no answer to ${command.type}`)
  }
}

/** A workflow with one job `a` of these steps (YAML, indented by six). */
export function oneJob(steps: string, extra = ''): string {
  return `on: push\njobs:\n  a:\n    runs-on: x\n${extra}    steps:\n${steps
    .trim()
    .split('\n')
    .map((line) => `      ${line}`)
    .join('\n')}\n`
}

/** Outcome and conclusion by step key. */
export function outcomes(driven: Driven, job = 'a'): Readonly<Record<string, string>> {
  const steps = driven.jobs[job]?.steps ?? []
  return Object.fromEntries(steps.map(({ id, outcome, conclusion }) => [id, outcome === conclusion ? outcome : `${outcome}/${conclusion}`]))
}

export function processOf(driven: Driven, step: string, job = 'a'): StepProcess {
  return (
    driven.started.find((one) => one.step === step && one.job === job)?.process ??
    assert.fail(`${job}/${step} did not run: ${driven.order.join(' ')}`)
  )
}

/** The message with which a step ended. */
export function messageOf(driven: Driven, step: string, job = 'a'): string {
  for (const report of driven.reports)
    if (report.type === 'step.finished' && report.step === step && report.job === job) return report.data.message ?? ''
  return assert.fail(`${job}/${step} did not finish`)
}
