// SPDX-License-Identifier: Apache-2.0
import type { RunEvent } from '@sallyport/core'
import type { ActionPlan, WorkflowPlan } from '@sallyport/workflow'

/** JSON data as contexts hold it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export type Conclusion = 'success' | 'failure' | 'cancelled' | 'skipped'

/** Paths as a step sees them, inside the sandbox. */
export interface SandboxPaths {
  /** `GITHUB_WORKSPACE`. */
  readonly workspace: string
  /** `RUNNER_TEMP`. */
  readonly temp: string
  /** `RUNNER_TOOL_CACHE`. */
  readonly toolCache: string
  readonly home: string
  /**
   * Directory that only the running step sees (a mount of its own); the script and the
   * environment files live here under fixed names, see {@link STEP_FILES}.
   */
  readonly step: string
  /** `GITHUB_EVENT_PATH`. */
  readonly event: string
  /** The runner's Node for JavaScript actions. */
  readonly node: string
}

/** Names of the environment files in {@link SandboxPaths.step}. */
export const STEP_FILES = ['env', 'output', 'path', 'state', 'summary'] as const
export type StepFile = (typeof STEP_FILES)[number]

export interface EngineInput {
  readonly workflow: WorkflowPlan
  /** The `github` context without what is per job or step (`job`, `action`, `action_path`, …); `event` included. */
  readonly github: { readonly [key: string]: Json }
  /** The `runner` context: name, os, arch, temp, tool_cache, environment. */
  readonly runner: { readonly [key: string]: Json }
  readonly vars: Readonly<Record<string, string>>
  readonly inputs: { readonly [key: string]: Json }
  /** All secrets by upper-case name; a step's expressions see only those that its text names. */
  readonly secrets: Readonly<Record<string, string>>
  /** `--env`: lowest precedence, under the workflow's own `env`. */
  readonly env: Readonly<Record<string, string>>
  readonly paths: SandboxPaths
  /** `--job`: run this job and what it needs; null for all. */
  readonly onlyJob: string | null
  /** `--matrix k=v`: keep the combinations that match all of these. */
  readonly onlyMatrix: Readonly<Record<string, string>>
  /** Jobs that may run at a time. */
  readonly jobsMax: number
  /** Ids of the jobs that hand over artifacts once they have succeeded. */
  readonly publishing: readonly string[]
  /** True when `text` holds any known secret: such a job output is dropped with a warning. */
  readonly containsSecret: (text: string) => boolean
  /** Parses an action file that a job's workspace gave; throws WorkflowError. */
  readonly parseAction: (file: string, text: string) => ActionPlan
}

export interface JobInstance {
  /** Unique in the run: the job's id, plus its matrix values when it has some, e.g. `test (20, debian)`. */
  readonly key: string
  readonly id: string
  readonly name: string
  readonly matrix: { readonly [key: string]: Json } | null
  /** Evaluated `runs-on` labels. */
  readonly runsOn: readonly string[]
  readonly timeoutMs: number
}

/** The image that a job's `container` asks for. */
export interface ContainerRequest {
  /** Untrusted: outputs of other jobs can be in it. Not empty. */
  readonly image: string
  /** For the registry. */
  readonly credentials: { readonly username: string; readonly password: string } | null
  /** Names of the secrets in them. */
  readonly secrets: readonly string[]
}

/** What the engine has to know of the image that a job runs in. Untrusted: whoever made it chose it. */
export interface JobImageFacts {
  /** Under everything that the runner and the workflow set. */
  readonly env: Readonly<Record<string, string>>
  /** What runs a script that names no shell; null: it has none of them. */
  readonly shell: 'bash' | 'sh' | null
  /** Why JavaScript actions cannot run in it; null when they can. */
  readonly nodeProblem: string | null
}

/** What the host has to do. Every command but `report` and `cancel-step` is answered by exactly one event. */
export type EngineCommand =
  /** Build the sandbox. Answer: `job-started`, or `job-refused`. */
  | { readonly type: 'start-job'; readonly job: JobInstance; readonly container: ContainerRequest | null }
  /** Run a process. Answer: `process-exited`. */
  | { readonly type: 'start-process'; readonly job: string; readonly step: string; readonly process: StepProcess }
  /** Fill the workspace from the local repository. Answer: `checkout-done`. */
  | {
      readonly type: 'checkout'
      readonly job: string
      readonly step: string
      /** The action's inputs by lower-case name (`path`, `ref`, `fetch-depth`, …), defaults applied. */
      readonly inputs: Readonly<Record<string, string>>
    }
  /** Read `action.yml` or `action.yaml` of a directory of the workspace. Answer: `action-loaded`. */
  | { readonly type: 'load-action'; readonly job: string; readonly step: string; readonly path: string }
  /** Answer: `files-hashed`. Patterns as given to `hashFiles`, relative to the workspace. */
  | { readonly type: 'hash-files'; readonly job: string; readonly step: string; readonly patterns: readonly string[] }
  /** Stop what the step runs now; its own answer follows with `ended: 'cancelled'`. */
  | { readonly type: 'cancel-step'; readonly job: string; readonly step: string }
  /** All steps have succeeded: publish what the job hands over. Answer: `published`; the sandbox lives until then. */
  | { readonly type: 'publish'; readonly job: string }
  /** Dispose the sandbox. Answer: `job-closed`. */
  | { readonly type: 'end-job'; readonly job: string; readonly conclusion: Conclusion }
  /** For the journal and the terminal; no answer. */
  | { readonly type: 'report'; readonly event: EngineReport }

export interface StepProcess {
  /** Absolute program or a name looked up in the step's PATH. */
  readonly argv: readonly string[]
  /** The whole environment of the step; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  /** Written into the step's private directory before the start; null for JavaScript actions. */
  readonly script: { readonly name: string; readonly content: string } | null
  readonly timeoutMs: number | null
  /** Names of the secrets whose values this step was given (in env, arguments or script). */
  readonly secrets: readonly string[]
}

export type ProcessEnd = 'exited' | 'signalled' | 'timed-out' | 'cancelled' | 'limit' | 'failed-to-start'

/** Content of an environment file after the step: untrusted; null when it was over the limit or no regular file. */
export type StepFileContents = Readonly<Record<StepFile, string | null>>

export type EngineEvent =
  | { readonly type: 'start' }
  | { readonly type: 'job-started'; readonly job: string; readonly image: JobImageFacts }
  | { readonly type: 'job-refused'; readonly job: string; readonly code: string; readonly message: string }
  | {
      readonly type: 'process-exited'
      readonly job: string
      readonly step: string
      readonly ended: ProcessEnd
      /** The exit code, or 128 + signal; null when it never started. */
      readonly exitCode: number | null
      /** Why: names the limit, what did not start, or what the step was refused. Null when the exit code says it all. */
      readonly message: string | null
      readonly files: StepFileContents
    }
  /** A workflow command that changes state, seen in the step's output while it runs. */
  | {
      readonly type: 'workflow-command'
      readonly job: string
      readonly step: string
      readonly command: 'set-output' | 'save-state'
      readonly name: string
      readonly value: string
    }
  | {
      readonly type: 'checkout-done'
      readonly job: string
      readonly step: string
      readonly error: string | null
      readonly ref: string
      readonly commit: string
    }
  /** `text` is null when there is no such file. */
  | {
      readonly type: 'action-loaded'
      readonly job: string
      readonly step: string
      readonly file: string
      readonly text: string | null
      readonly error: string | null
    }
  | { readonly type: 'files-hashed'; readonly job: string; readonly step: string; readonly hash: string; readonly error: string | null }
  /**
   * The job's own time limit ran out: steps are cancelled, `always()` steps get five minutes in all. Sent to a job
   * that is cancelled already, it stops the running step whatever its condition, and nothing more of the job starts.
   */
  | { readonly type: 'job-timed-out'; readonly job: string }
  /** The sandbox is gone or broken under a running job (PID 1 died, a wall fell); the job fails at once. */
  | { readonly type: 'job-lost'; readonly job: string; readonly message: string }
  /** `error`: why not all of it is published; then the job has failed. */
  | { readonly type: 'published'; readonly job: string; readonly error: string | null }
  | { readonly type: 'job-closed'; readonly job: string }
  /** Ctrl-C, or a response. Running steps are cancelled, `always()` steps still run. */
  | { readonly type: 'cancel' }

/** Facts for the journal and the terminal, as {@link RunEvent}s with typed data. */
export type EngineReport =
  | Report<'job.queued', { name: string; needs: readonly string[]; matrix: Json }>
  | Report<'job.skipped', { name: string; reason: string }>
  | Report<'step.started', { name: string; number: number; secrets: readonly string[] }>
  | Report<'step.skipped', { name: string; number: number; reason: string }>
  | Report<
      'step.finished',
      {
        name: string
        number: number
        outcome: Conclusion
        conclusion: Conclusion
        exitCode: number | null
        durationMs: number
        message: string | null
      }
    >
  | Report<'step.warning', { message: string }>
  /** What the step wrote into GITHUB_STEP_SUMMARY: untrusted Markdown, not redacted yet. */
  | Report<'step.summary', { markdown: string }>
  | Report<
      'job.finished',
      { name: string; conclusion: Conclusion; durationMs: number; outputs: Readonly<Record<string, string>>; message: string | null }
    >
  | Report<'run.finished', { conclusion: Conclusion; durationMs: number }>

type Report<Type extends string, Data> = RunEvent & { readonly type: Type; readonly data: Data }

export interface StepResult {
  readonly id: string
  readonly name: string
  readonly outcome: Conclusion
  readonly conclusion: Conclusion
  readonly durationMs: number
}

export interface JobResult {
  readonly key: string
  readonly id: string
  readonly name: string
  readonly matrix: { readonly [key: string]: Json } | null
  readonly conclusion: Conclusion
  readonly outputs: Readonly<Record<string, string>>
  readonly steps: readonly StepResult[]
}

/**
 * Drives one workflow. Pure: no clock, no I/O; the same events give the same commands.
 * The host calls `handle` for each event in the order in which they happened, carries out
 * the commands in order, and stops when `result()` is no longer null.
 */
export interface Engine {
  handle(event: EngineEvent, nowMs: number): readonly EngineCommand[]
  /** The jobs as far as they are known, for `--list`, `--dry-run` and the final document. */
  jobs(): readonly JobResult[]
  /** Non-null once every job is closed. */
  result(): Conclusion | null
}
