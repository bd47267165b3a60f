// SPDX-License-Identifier: Apache-2.0
import type { SourcePosition } from '@sallyport/core'

export type { SourcePosition }

/**
 * Our own plan of a workflow or action file: plain readonly data, no parser types.
 * Everything that may hold `${{ }}` stays a {@link TemplateNode} until the engine evaluates it.
 */

/** A value of the file in which expressions are not evaluated yet. */
export type TemplateNode =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null; readonly at: SourcePosition }
  /** One whole expression without `${{ }}`; mixed text arrives as `format('…', …)`. */
  | { readonly kind: 'expression'; readonly expression: string; readonly at: SourcePosition }
  | { readonly kind: 'sequence'; readonly items: readonly TemplateNode[]; readonly at: SourcePosition }
  | { readonly kind: 'mapping'; readonly entries: readonly TemplateEntry[]; readonly at: SourcePosition }

export interface TemplateEntry {
  readonly key: TemplateNode
  readonly value: TemplateNode
}

/** `env:`, `with:`, `outputs:`; either a mapping of names or one expression that gives a mapping. */
export type TemplateMap = TemplateNode

export interface RunDefaults {
  readonly shell: TemplateNode | null
  readonly workingDirectory: TemplateNode | null
}

export interface WorkflowPlan {
  readonly file: string
  /** `name:`, or the file's path. */
  readonly name: string
  readonly runName: TemplateNode | null
  readonly triggers: readonly Trigger[]
  readonly env: TemplateMap | null
  readonly defaults: RunDefaults
  readonly jobs: readonly JobPlan[]
  /**
   * What the file says that has no effect here and needs none (e.g. `permissions` when no token
   * exists). Each is printed once per run: nothing is ignored in silence.
   */
  readonly notices: readonly Notice[]
}

export interface Notice {
  readonly message: string
  readonly at: SourcePosition
}

/** One entry of `on:`. Filters are kept as written (glob patterns, `!` negation). */
export interface Trigger {
  readonly event: string
  readonly branches: readonly string[] | null
  readonly branchesIgnore: readonly string[] | null
  readonly tags: readonly string[] | null
  readonly tagsIgnore: readonly string[] | null
  readonly paths: readonly string[] | null
  readonly pathsIgnore: readonly string[] | null
  readonly types: readonly string[] | null
  /** `workflow_dispatch` inputs. */
  readonly inputs: readonly WorkflowInput[]
  readonly at: SourcePosition
}

export interface WorkflowInput {
  readonly name: string
  readonly type: 'string' | 'boolean' | 'number' | 'choice' | 'environment'
  readonly required: boolean
  readonly default: string | number | boolean | null
  readonly options: readonly string[]
}

export interface JobPlan {
  readonly id: string
  readonly name: TemplateNode | null
  readonly needs: readonly string[]
  /** Text of the condition; null means `success()`. */
  readonly if: ConditionPlan | null
  /** String, sequence, or expression; `{group, labels}` is refused by the parser. */
  readonly runsOn: TemplateNode
  readonly container: ContainerPlan | null
  readonly strategy: StrategyPlan | null
  readonly env: TemplateMap | null
  readonly defaults: RunDefaults
  readonly timeoutMinutes: TemplateNode | null
  readonly continueOnError: TemplateNode | null
  readonly outputs: TemplateMap | null
  readonly steps: readonly StepPlan[]
  readonly at: SourcePosition
}

/** `container:`: the image that a job runs in. */
export interface ContainerPlan {
  /** A reference; empty for none, once it is evaluated. */
  readonly image: TemplateNode
  readonly env: TemplateMap | null
  /** For the registry. */
  readonly credentials: { readonly username: TemplateNode; readonly password: TemplateNode } | null
  readonly at: SourcePosition
}

export interface ConditionPlan {
  /** Bare expression (outer `${{ }}` removed); without a status function it means `success() && (…)`. */
  readonly expression: string
  readonly callsStatusFunction: boolean
  readonly at: SourcePosition
}

export interface StrategyPlan {
  /** Mapping of axes plus `include` and `exclude`, or one expression giving that mapping. */
  readonly matrix: TemplateNode | null
  readonly failFast: TemplateNode | null
  readonly maxParallel: TemplateNode | null
}

interface StepCommon {
  /** `id:` as written, or null. */
  readonly id: string | null
  readonly name: TemplateNode | null
  readonly if: ConditionPlan | null
  readonly env: TemplateMap | null
  readonly continueOnError: TemplateNode | null
  readonly timeoutMinutes: TemplateNode | null
  /**
   * Names of all secrets that the step's own text can reference (upper case, sorted); its job's and
   * workflow's `env` are in `inheritedSecrets` of {@link secretsOfStep}.
   */
  readonly secrets: readonly string[]
  readonly at: SourcePosition
}

export interface RunStepPlan extends StepCommon {
  readonly kind: 'run'
  readonly run: TemplateNode
  readonly shell: TemplateNode | null
  readonly workingDirectory: TemplateNode | null
}

export interface UsesStepPlan extends StepCommon {
  readonly kind: 'uses'
  readonly uses: ActionReference
  readonly with: TemplateMap | null
}

export type StepPlan = RunStepPlan | UsesStepPlan

export type ActionReference =
  /** `./path`: read from the job's workspace when the step runs. */
  | { readonly kind: 'local'; readonly path: string; readonly at: SourcePosition }
  /** `actions/checkout@…`: served by Sallyport from the local repository. */
  | { readonly kind: 'checkout'; readonly ref: string; readonly at: SourcePosition }

/** An `action.yml`. In a run its text comes out of the sandbox: hostile until parsed. */
export interface ActionPlan {
  readonly file: string
  readonly name: string
  readonly inputs: readonly ActionInput[]
  /** Composite only: output name → expression over `steps`. */
  readonly outputs: readonly { readonly name: string; readonly value: TemplateNode | null }[]
  readonly runs: CompositeRuns | NodeRuns
}

export interface ActionInput {
  readonly name: string
  readonly required: boolean
  readonly default: TemplateNode | null
  readonly deprecationMessage: string | null
}

export interface CompositeRuns {
  readonly using: 'composite'
  readonly steps: readonly StepPlan[]
}

export interface NodeRuns {
  /** `node16`, `node20`, `node24`: all run on the runner's own Node. */
  readonly using: string
  /** Paths relative to the action's directory. */
  readonly pre: string | null
  readonly preIf: ConditionPlan | null
  readonly main: string
  readonly post: string | null
  readonly postIf: ConditionPlan | null
}
