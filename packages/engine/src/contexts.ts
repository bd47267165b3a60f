// SPDX-License-Identifier: Apache-2.0
import type { JobPlan } from '@sallyport/workflow'
import type { Conclusion, EngineInput, Json, SandboxPaths, StepFile } from './contract.ts'
import { isMap, type JsonMap, mapOf } from './json.ts'

/** Where a file of {@link StepFile} lies: the step sees its own under a fixed name. */
export function stepFilePath(paths: SandboxPaths, file: StepFile): string {
  return `${paths.step}/${file}`
}

/** Contexts that all levels of a run share. */
function runContexts(input: EngineInput): JsonMap {
  return {
    github: { ...input.github, workspace: input.paths.workspace, event_path: input.paths.event },
    vars: mapOf(Object.entries(input.vars)),
    inputs: input.inputs,
  }
}

export interface NeedResult {
  readonly result: Conclusion
  readonly outputs: Readonly<Record<string, string>>
}

/** Contexts of a job's own keys (`name`, `runs-on`, `env`, …). */
export function jobContexts(input: EngineInput, job: JobPlan, needs: ReadonlyMap<string, NeedResult>): JsonMap {
  const shared = runContexts(input)
  return {
    ...shared,
    github: { ...(isMap(shared['github']) ? shared['github'] : {}), job: job.id },
    needs: mapOf([...needs].map(([id, { result, outputs }]) => [id, { result, outputs: mapOf(Object.entries(outputs)) }] as const)),
  }
}

export interface StrategyFacts {
  readonly failFast: boolean
  readonly index: number
  readonly total: number
  readonly maxParallel: number
}

export function strategyContext(facts: StrategyFacts): JsonMap {
  return { 'fail-fast': facts.failFast, 'job-index': facts.index, 'job-total': facts.total, 'max-parallel': facts.maxParallel }
}

/** `secrets` with only the values that are to be seen; the names themselves are no secret. */
export function secretsContext(input: EngineInput, names: readonly string[]): JsonMap {
  return mapOf(givenSecrets(input, names).map((name): readonly [string, Json] => [name, input.secrets[name] ?? null]))
}

/** Those of `names` that have a value. */
export function givenSecrets(input: EngineInput, names: readonly string[]): readonly string[] {
  return names.filter((name) => Object.hasOwn(input.secrets, name) && input.secrets[name] !== '')
}
