// SPDX-License-Identifier: Apache-2.0
import type { EngineInput, SandboxPaths } from '@sallyport/engine'
import { SANDBOX_PATHS } from '@sallyport/sandbox'
import type { WorkflowPlan } from '@sallyport/workflow'
import type { RunOptions } from '../contract.ts'
import { githubContext, workspacePath } from './github-context.ts'
import type { Repository } from './repository.spawn.ts'

export interface EngineInputParts extends Pick<EngineInput, 'inputs' | 'parseAction' | 'containsSecret'> {
  readonly plan: WorkflowPlan
  readonly options: RunOptions
  readonly repository: Repository
  readonly runId: string
}

/** Everything that the engine may know about a run before it starts. */
export function buildEngineInput(parts: EngineInputParts): EngineInput {
  const { options, repository, plan, inputs } = parts
  return {
    workflow: plan,
    github: githubContext({ repository, runId: parts.runId, event: options.event, payload: options.payload, inputs, workflow: plan }),
    runner: runnerContext(),
    vars: options.vars,
    inputs,
    secrets: options.secrets,
    env: options.env,
    paths: enginePaths(repository),
    onlyJob: options.job,
    onlyMatrix: options.matrix,
    jobsMax: options.jobsMax,
    // Known once the access file has been read.
    publishing: [],
    containsSecret: parts.containsSecret,
    parseAction: parts.parseAction,
  }
}

function enginePaths(repository: Repository): SandboxPaths {
  const { temp, toolCache, home, step, event, node } = SANDBOX_PATHS
  return { workspace: workspacePath(repository), temp, toolCache, home, step, event, node }
}

function runnerContext(): EngineInput['runner'] {
  return {
    name: 'sallyport',
    os: 'Linux',
    arch: process.arch === 'arm64' ? 'ARM64' : 'X64',
    temp: SANDBOX_PATHS.temp,
    tool_cache: SANDBOX_PATHS.toolCache,
    environment: 'self-hosted',
    debug: '',
  }
}
