// SPDX-License-Identifier: Apache-2.0
import type { EngineInput, Json } from './contract.ts'
import { EngineError } from './errors.ts'
import type { JsonMap } from './json.ts'

const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Fields of the `github` context that steps get as `GITHUB_*`. Not `token`, and not `event`: that is a file. */
const GITHUB_VARIABLES = [
  'action',
  'action_path',
  'action_ref',
  'action_repository',
  'actor',
  'actor_id',
  'api_url',
  'base_ref',
  'env',
  'event_name',
  'event_path',
  'graphql_url',
  'head_ref',
  'job',
  'output',
  'path',
  'ref',
  'ref_name',
  'ref_protected',
  'ref_type',
  'repository',
  'repository_id',
  'repository_owner',
  'repository_owner_id',
  'retention_days',
  'run_attempt',
  'run_id',
  'run_number',
  'server_url',
  'sha',
  'state',
  'step_summary',
  'triggering_actor',
  'workflow',
  'workflow_ref',
  'workflow_sha',
  'workspace',
] as const

export interface EnvironmentParts {
  readonly input: EngineInput
  /** The `github` context of this step. */
  readonly github: JsonMap
  /** What the job's image and its container set. */
  readonly base: ReadonlyMap<string, string>
  /** From the workflow's `env` to the step's own, later ones win. */
  readonly layers: readonly ReadonlyMap<string, string>[]
  /** What GITHUB_PATH added, oldest first. */
  readonly paths: readonly string[]
  /** `INPUT_*` and `STATE_*` of JavaScript actions. */
  readonly action: ReadonlyMap<string, string>
}

/**
 * The whole environment of a step. GITHUB_* and RUNNER_* variables that the runner sets cannot be overridden;
 * CI, HOME and PATH can, as on GitHub.
 *
 * @throws EngineError ENGINE_VALUE_INVALID for a name or value that no process can have.
 */
export function stepEnvironment(parts: EnvironmentParts): Readonly<Record<string, string>> {
  const env = new Map<string, string>([
    ...parts.base,
    ['CI', 'true'],
    ['HOME', parts.input.paths.home],
    ['PATH', parts.base.get('PATH') || PATH_DEFAULT],
  ])
  for (const layer of parts.layers) for (const [name, value] of layer) env.set(name, value)
  env.set('PATH', [...parts.paths.toReversed(), env.get('PATH') ?? PATH_DEFAULT].join(':'))
  for (const [name, value] of [...runnerVariables(parts), ...parts.action]) {
    if (value !== '' || !ABSENT_WHEN_EMPTY.has(name)) env.set(name, value)
  }
  for (const [name, value] of env) checkVariable(name, value)
  return Object.fromEntries(env)
}

/** Scripts ask whether they are there at all; GitHub sets neither without a value. */
const ABSENT_WHEN_EMPTY: ReadonlySet<string> = new Set(['GITHUB_ACTION_PATH', 'RUNNER_DEBUG'])

function* runnerVariables({ input, github }: EnvironmentParts): Generator<readonly [string, string]> {
  yield ['GITHUB_ACTIONS', 'true']
  for (const name of GITHUB_VARIABLES) {
    const text = scalarText(github[name])
    if (text !== null) yield [`GITHUB_${name.toUpperCase()}`, text]
  }
  for (const [name, value] of Object.entries(input.runner)) {
    const text = scalarText(value)
    if (text !== null) yield [`RUNNER_${name.toUpperCase()}`, text]
  }
  yield ['RUNNER_TEMP', input.paths.temp]
  yield ['RUNNER_TOOL_CACHE', input.paths.toolCache]
  yield ['RUNNER_WORKSPACE', input.paths.workspace.replace(/\/[^/]*\/*$/, '') || '/']
}

function scalarText(value: Json | undefined): string | null {
  return value === undefined || value === null || typeof value === 'object' ? null : String(value)
}

function checkVariable(name: string, value: string): void {
  const shown = JSON.stringify(name.slice(0, 80))
  if (name === '' || name.includes('=') || name.includes('\0')) {
    throw new EngineError(
      'ENGINE_VALUE_INVALID',
      `Cannot set the environment variable ${shown}: a name is not empty and holds no "=" and no NUL`,
    )
  }
  if (value.includes('\0'))
    throw new EngineError('ENGINE_VALUE_INVALID', `Cannot set the environment variable ${shown}: its value contains a NUL character`)
}

/** Inputs of a JavaScript action as its toolkit reads them. */
export function inputVariables(inputs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...inputs].map(([name, value]) => [`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`, value]))
}

export function stateVariables(state: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...state].map(([name, value]) => [`STATE_${name}`, value]))
}
