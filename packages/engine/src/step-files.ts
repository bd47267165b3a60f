// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import type { StepFile, StepFileContents } from './contract.ts'
import { parseEnvFile, parsePathFile } from './env-file.ts'
import { guardEnv } from './env-guard.ts'
import { EngineError } from './errors.ts'
import { type Frame, type JobState, warn } from './job-state.ts'

/** Characters that `::set-output::` and `::save-state::` of one step may store; files have the host's own limit. */
const COMMAND_CHARACTERS_MAX = 1024 * 1024

const VARIABLES: Readonly<Record<StepFile, string>> = {
  env: 'GITHUB_ENV',
  output: 'GITHUB_OUTPUT',
  path: 'GITHUB_PATH',
  state: 'GITHUB_STATE',
  summary: 'GITHUB_STEP_SUMMARY',
}

/**
 * Takes over what a step wrote into its files. Untrusted. Each file counts as a whole or not at all; returns
 * what is wrong with them, which fails the step.
 */
export function applyStepFiles(job: JobState, frame: Frame, key: string, files: StepFileContents): readonly string[] {
  const problems: string[] = []
  const apply = (file: StepFile, use: (text: string) => void): void => {
    try {
      use(textOf(file, files))
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) throw thrown
      problems.push(messageOf(thrown))
    }
  }
  apply('path', (text) => addPaths(job, parsePathFile(text)))
  apply('env', (text) => addEnv(job, key, text))
  apply('state', (text) => setAll(frame.state, parseEnvFile(VARIABLES.state, text)))
  apply('output', (text) => setAll(frame.outputs, parseEnvFile(VARIABLES.output, text)))
  reportSummary(job, key, files.summary)
  return problems
}

function textOf(file: StepFile, files: StepFileContents): string {
  const text = files[file]
  if (text !== null) return text
  throw new EngineError('ENGINE_FILE_COMMAND_INVALID', `Cannot read $${VARIABLES[file]}: it is larger than its limit, or no regular file`)
}

/** A directory that is named again moves to the front. */
function addPaths(job: JobState, added: readonly string[]): void {
  job.paths = [...new Set([...job.paths, ...added].toReversed())].toReversed()
}

function addEnv(job: JobState, key: string, text: string): void {
  const { set, warning } = guardEnv(parseEnvFile(VARIABLES.env, text))
  setAll(job.env, set)
  if (warning !== null) warn(job, key, warning)
}

function setAll(target: Map<string, string>, entries: readonly { readonly name: string; readonly value: string }[]): void {
  for (const { name, value } of entries) target.set(name, value)
}

/** A summary is for people only: one that is too large is worth a warning, as on GitHub, not a failure. */
function reportSummary(job: JobState, key: string, summary: string | null): void {
  if (summary === null) warn(job, key, `$${VARIABLES.summary} is dropped: it is larger than its limit, or no regular file`)
  else if (summary !== '') job.report({ type: 'step.summary', job: job.instance.key, step: key, data: { markdown: summary } })
}

/** A workflow command that stores a value. Untrusted; what goes over the limit fails the step at its end. */
export function applyWorkflowCommand(frame: Frame, command: 'set-output' | 'save-state', name: string, value: string): void {
  frame.commandCharacters += name.length + value.length
  if (frame.commandCharacters > COMMAND_CHARACTERS_MAX || name === '') return
  const target = command === 'set-output' ? frame.outputs : frame.state
  target.set(name, value)
}

export function commandProblem(frame: Frame): string | null {
  if (frame.commandCharacters <= COMMAND_CHARACTERS_MAX) return null
  return `Cannot store the step's outputs: its set-output and save-state commands hold more than ${COMMAND_CHARACTERS_MAX} characters`
}
