// SPDX-License-Identifier: Apache-2.0
import { type ContainerPlan, type JobPlan, referencedSecrets, type TemplateNode } from '@sallyport/workflow'
import { givenSecrets, jobContexts, type NeedResult, type StrategyFacts, secretsContext, strategyContext } from './contexts.ts'
import type { ContainerRequest, EngineInput, JobInstance, Json } from './contract.ts'
import { displayName } from './display-text.ts'
import {
  evaluateBoolean,
  evaluateJson,
  evaluateOptionalText,
  evaluatePositive,
  evaluateText,
  evaluateTexts,
  located,
  type Scope,
  scope,
  unexpected,
} from './evaluation.ts'
import { isList, type JsonMap, mapOf } from './json.ts'
import { expandMatrix, type MatrixCombination } from './matrix.ts'

/** A job of the file as one or more jobs to run. */
export interface Expansion {
  readonly jobs: readonly ExpandedJob[]
  readonly failFast: boolean
  readonly maxParallel: number
}

export interface ExpandedJob {
  readonly instance: JobInstance
  /** github, vars, inputs, needs, strategy, matrix. */
  readonly contexts: JsonMap
  readonly env: ReadonlyMap<string, string>
  readonly container: ExpandedContainer | null
  readonly continueOnError: boolean
}

export interface ExpandedContainer {
  readonly request: ContainerRequest
  readonly env: ReadonlyMap<string, string>
}

/** GitHub's default of `timeout-minutes`. */
const JOB_MINUTES_DEFAULT = 360
/** What a timer can wait for: 24 days. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1
const NO_MATRIX: readonly (MatrixCombination | null)[] = [null]

/**
 * Evaluates what a job says beside its steps, once what it needs is done.
 *
 * @throws EngineError that names the place; outputs of other jobs can be in every value: untrusted.
 */
export function expandJob(input: EngineInput, plan: JobPlan, needs: ReadonlyMap<string, NeedResult>): Expansion {
  const contexts = jobContexts(input, plan, needs)
  const where = scope(contexts)
  const combinations = matrixOf(plan, where)
  const failFast = evaluateBoolean(plan.strategy?.failFast ?? null, where, true)
  const total = combinations.length
  const maxParallel = Math.ceil(evaluatePositive(plan.strategy?.maxParallel ?? null, where, total))
  const keys = new Set<string>()
  const jobs = combinations.map((combination, index) => {
    const strategy = strategyContext({ failFast, index, total, maxParallel } satisfies StrategyFacts)
    const own = { ...contexts, strategy, matrix: combination?.values ?? null }
    return expandOne(input, plan, { contexts: own, combination, keys })
  })
  return { jobs: jobs.filter(({ instance }) => isWanted(instance, jobs, input.onlyMatrix)), failFast, maxParallel }
}

function matrixOf(plan: JobPlan, where: Scope): readonly (MatrixCombination | null)[] {
  const node = plan.strategy?.matrix ?? null
  return node === null ? NO_MATRIX : located(node.at, () => expandMatrix(evaluateJson(node, where)))
}

/**
 * The combinations of a job as far as its file alone tells, for `--list`; null when they depend on what
 * other jobs give. A job without a matrix has one, without values.
 */
export function previewMatrix(input: EngineInput, plan: JobPlan): readonly JsonMap[] | null {
  const node = plan.strategy?.matrix ?? null
  if (node === null) return [{}]
  if (plan.needs.length > 0 && mentionsNeeds(node)) return null
  return matrixOf(plan, scope(jobContexts(input, plan, new Map()))).map((combination) => combination?.values ?? {})
}

function mentionsNeeds(node: TemplateNode): boolean {
  if (node.kind === 'expression') return /\bneeds\b/i.test(node.expression)
  if (node.kind === 'sequence') return node.items.some(mentionsNeeds)
  return node.kind === 'mapping' && node.entries.some(({ key, value }) => mentionsNeeds(key) || mentionsNeeds(value))
}

interface OneJob {
  readonly contexts: JsonMap
  readonly combination: MatrixCombination | null
  /** Keys given so far. */
  readonly keys: Set<string>
}

function expandOne(input: EngineInput, plan: JobPlan, { contexts, combination, keys }: OneJob): ExpandedJob {
  const where = scope(contexts)
  const minutes = evaluatePositive(plan.timeoutMinutes, where, JOB_MINUTES_DEFAULT)
  const instance: JobInstance = {
    key: uniqueKey(nameWith(plan.id, combination), keys),
    id: plan.id,
    name: jobName(plan, combination, where),
    matrix: combination?.values ?? null,
    runsOn: runsOnOf(plan.runsOn, where),
    timeoutMs: Math.min(Math.ceil(minutes * 60_000), TIMEOUT_MS_MAX),
  }
  const continueOnError = evaluateBoolean(plan.continueOnError, where, false)
  const env = jobEnv(input, plan, contexts)
  return { instance, contexts, env, container: jobContainer(input, plan, { contexts, env }), continueOnError }
}

/** `--env` under the workflow's `env` under the job's. Only secrets that these two name are in sight. */
function jobEnv(input: EngineInput, plan: JobPlan, contexts: JsonMap): ReadonlyMap<string, string> {
  const { workflow } = input
  const secrets = secretsContext(input, referencedSecrets([workflow.env, plan.env]))
  const where = scope({ ...contexts, secrets })
  return new Map([...Object.entries(input.env), ...evaluateTexts(workflow.env, where), ...evaluateTexts(plan.env, where)])
}

const DOCKER_PREFIX = 'docker://'

/** Null where the job has none, or an expression gave an empty one. Credentials see secrets; what names the image does not. */
function jobContainer(input: EngineInput, { container }: JobPlan, job: Pick<ExpandedJob, 'contexts' | 'env'>): ExpandedContainer | null {
  if (container === null) return null
  const image = imageOf(container, scope(job.contexts))
  if (image === '') return null
  const { credentials } = container
  const names = referencedSecrets(credentials === null ? [] : [credentials.username, credentials.password])
  const contexts = { ...job.contexts, env: mapOf([...job.env]), runner: input.runner }
  const seeing = (secrets: readonly string[]): Scope => scope({ ...contexts, secrets: secretsContext(input, secrets) })
  return {
    request: {
      image,
      credentials:
        credentials === null
          ? null
          : {
              username: evaluateText(credentials.username, seeing(names)),
              password: evaluateText(credentials.password, seeing(names)),
            },
      secrets: givenSecrets(input, names),
    },
    env: evaluateTexts(container.env, seeing(referencedSecrets([container.env]))),
  }
}

function imageOf({ image }: ContainerPlan, where: Scope): string {
  const value = evaluateJson(image, where)
  if (value === null) return ''
  if (typeof value !== 'string') throw unexpected(image.at, 'the reference of an image', value)
  return value.startsWith(DOCKER_PREFIX) ? value.slice(DOCKER_PREFIX.length) : value
}

/** As GitHub shows it: a computed name stands alone, any other is followed by the matrix values. */
function jobName(plan: JobPlan, combination: MatrixCombination | null, where: Scope): string {
  const name = evaluateOptionalText(plan.name, where) || plan.id
  return plan.name?.kind === 'expression' ? displayName(name) : nameWith(name, combination)
}

function nameWith(name: string, combination: MatrixCombination | null): string {
  const segments = combination?.segments ?? []
  return displayName(segments.length === 0 ? name : `${name} (${segments.join(', ')})`)
}

function uniqueKey(wanted: string, keys: Set<string>): string {
  let key = wanted
  for (let count = 2; keys.has(key); count += 1) key = `${wanted} #${count}`
  keys.add(key)
  return key
}

function runsOnOf(node: TemplateNode, where: Scope): readonly string[] {
  const value = evaluateJson(node, where)
  const labels = isList(value) ? value : [value]
  for (const label of labels)
    if (typeof label !== 'string' || label === '') throw unexpected(node.at, 'a runner label, or a sequence of them', label)
  if (labels.length === 0) throw unexpected(node.at, 'at least one runner label', value)
  return labels.map(String)
}

/** `--matrix`: a key counts for the jobs that have it in some combination. */
function isWanted(instance: JobInstance, siblings: readonly ExpandedJob[], wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const isKnown = siblings.some((sibling) => Object.hasOwn(sibling.instance.matrix ?? {}, key))
    return !isKnown || matrixText(instance.matrix?.[key]) === value
  })
}

function matrixText(value: Json | undefined): string | null {
  if (value === undefined) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
