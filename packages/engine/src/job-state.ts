// SPDX-License-Identifier: Apache-2.0
import type { ConditionPlan, JobPlan, StepPlan } from '@sallyport/workflow'
import type {
  Conclusion,
  EngineCommand,
  EngineEvent,
  EngineInput,
  EngineReport,
  JobImageFacts,
  JobInstance,
  Json,
  StepResult,
} from './contract.ts'
import { displayMessage } from './display-text.ts'
import type { JsonMap } from './json.ts'

/** What a job's steps ask of the host; the host answers each with one {@link StepAnswer}. */
export type StepCommand = Extract<EngineCommand, { type: 'start-process' | 'checkout' | 'load-action' | 'hash-files' }>
export type StepAnswer = Extract<EngineEvent, { type: 'process-exited' | 'checkout-done' | 'action-loaded' | 'files-hashed' }>

/** A part of a job's steps, written as straight code that stops at each question to the host. */
export type Asks<T> = Generator<StepCommand, T, StepAnswer>

/** Where a job, or a composite action in it, stands. */
export type JobStatus = 'success' | 'failure' | 'cancelled'

/** How one step, or one part of it, ended. */
export interface Attempt {
  readonly outcome: Conclusion
  readonly exitCode: number | null
  /** Why, for people; null when there is nothing to say. */
  readonly message: string | null
}

/** The steps of a job, or of one composite action in it. */
export interface StepScope {
  status: JobStatus
  /** The `steps` context. */
  readonly steps: Map<string, Json>
  readonly inputs: Json
  /** The `uses` step that these belong to, and the action's directory; null for a job's own steps. */
  readonly composite: { readonly frame: Frame; readonly directory: string } | null
  readonly depth: number
}

/** A step while it runs. Those of composite actions lie over that of their `uses` step. */
export interface Frame {
  readonly key: string
  readonly number: number
  readonly step: StepPlan
  readonly scope: StepScope
  readonly condition: ConditionPlan | null
  readonly conditionDefault: 'success' | 'always'
  /** Names of the secrets that this step was given. */
  readonly secrets: readonly string[]
  /** `github.action`. */
  readonly action: string
  /** `github.action_path`; of a JavaScript action once it is loaded. */
  actionPath: string | null
  /** For people; known once its condition holds. */
  name: string
  env: ReadonlyMap<string, string>
  /** By patterns as JSON: files change between steps, so never kept for longer. */
  readonly hashes: Map<string, string>
  readonly outputs: Map<string, string>
  /** What a JavaScript action saves for its later parts. */
  readonly state: Map<string, string>
  /** Characters that workflow commands of the running process have stored so far. */
  commandCharacters: number
  deadlineMs: number | null
  isCancelled: boolean
}

/** A JavaScript action's clean-up, which runs at the end of the job. */
export interface Post {
  /** The step whose action it cleans up after. */
  readonly main: Frame
  readonly condition: ConditionPlan | null
  /** Absolute, inside the sandbox. */
  readonly path: string
  /** `INPUT_*`. */
  readonly variables: ReadonlyMap<string, string>
}

export interface JobState {
  readonly input: EngineInput
  readonly plan: JobPlan
  readonly instance: JobInstance
  /** github, vars, needs, strategy, matrix. */
  readonly contexts: JsonMap
  /** From `--env`, the workflow, the job, and GITHUB_ENV. */
  readonly env: Map<string, string>
  /** Of its container. */
  readonly containerEnv: ReadonlyMap<string, string>
  /** The host's own until the job has started. */
  image: JobImageFacts
  /** From GITHUB_PATH, oldest first. */
  paths: readonly string[]
  readonly root: StepScope
  readonly frames: Frame[]
  readonly posts: Post[]
  readonly results: Map<string, StepResult>
  readonly actionNames: Map<string, number>
  /** Step key of the process that runs now. */
  process: string | null
  isCancelled: boolean
  /** Not even `always()` steps start any more. */
  isForced: boolean
  /** When the time for `always()` steps of a cancelled job ends. */
  graceEndsMs: number | null
  nowMs: number
  readonly report: (report: EngineReport) => void
}

/** Ends a step whose job was cancelled while it waited. */
export class StepCancelled extends Error {
  override readonly name = 'StepCancelled'
}

/** As much of a secret as a message may hold: messages quote the start of long values. */
const SECRET_START_CHARACTERS = 8

/** Text for reports: they are stored and shown, so what holds a secret, or the start of one, stays out. Untrusted. */
export function quotable(input: EngineInput, text: string): string {
  const starts = Object.values(input.secrets).map((value) => value.slice(0, SECRET_START_CHARACTERS))
  const holdsStart = starts.some((start) => start.length === SECRET_START_CHARACTERS && text.includes(start))
  return holdsStart || input.containsSecret(text) ? '(withheld: it holds a secret)' : displayMessage(text)
}

export function warn(job: JobState, step: string | null, message: string): void {
  const data = { message: quotable(job.input, message) }
  const event = { type: 'step.warning', job: job.instance.key, data } as const
  job.report(step === null ? event : { ...event, step })
}
