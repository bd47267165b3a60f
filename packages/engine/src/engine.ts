// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import type { JobPlan } from '@sallyport/workflow'
import { jobContexts, type NeedResult } from './contexts.ts'
import type { Conclusion, Engine, EngineCommand, EngineEvent, EngineInput, EngineReport, JobResult } from './contract.ts'
import { EngineError } from './errors.ts'
import { evaluateIf, type Status, scope, statusFunctions } from './evaluation.ts'
import { type Expansion, expandJob } from './job-expansion.ts'
import { JobRun } from './job-run.ts'
import { quotable } from './job-state.ts'

/** See {@link Engine}. */
export function createEngine(input: EngineInput): Engine {
  return new WorkflowEngine(input)
}

/** A job of the file; its `runs` are what its matrix makes of it. */
interface GraphJob {
  readonly plan: JobPlan
  /** All jobs that it needs, also through others. */
  readonly ancestors: readonly string[]
  expansion: Expansion | null
  runs: readonly JobRun[]
  /** In the order in which they closed. */
  readonly closed: JobRun[]
  /** For the jobs that need it; null until it is done. */
  result: NeedResult | null
  /** When it never ran: what the record shows. */
  conclusion: Conclusion | null
}

class WorkflowEngine implements Engine {
  readonly #input: EngineInput
  readonly #graph: ReadonlyMap<string, GraphJob>
  readonly #runs = new Map<string, JobRun>()
  #commands: EngineCommand[] = []
  #startedMs: number | null = null
  #isCancelled = false
  #result: Conclusion | null = null

  constructor(input: EngineInput) {
    this.#input = input
    this.#graph = graphOf(input)
  }

  handle(event: EngineEvent, nowMs: number): readonly EngineCommand[] {
    this.#commands = []
    this.#accept(event, nowMs)
    this.#proceed(nowMs)
    return this.#commands
  }

  jobs(): readonly JobResult[] {
    return [...this.#graph.values()].flatMap((job) => (job.runs.length > 0 ? job.runs.map((run) => run.result()) : [unrunResult(job)]))
  }

  result(): Conclusion | null {
    return this.#result
  }

  #accept(event: EngineEvent, nowMs: number): void {
    if (event.type === 'start') {
      if (this.#startedMs !== null) throw new TypeError('The engine was started twice')
      this.#startedMs = nowMs
    } else if (event.type === 'cancel') this.#cancel(nowMs)
    else {
      const run = this.#runs.get(event.job)
      if (run === undefined) throw new TypeError(`Unexpected engine event ${event.type}: there is no job "${event.job}"`)
      run.handle(event, nowMs)
    }
  }

  /** What did not start never does, not even with `if: always()`: a new sandbox is no clean-up. */
  #cancel(nowMs: number): void {
    this.#isCancelled = true
    for (const run of this.#runs.values()) run.cancel(nowMs)
  }

  /** Everything that follows from the last event, until nothing more does. */
  #proceed(nowMs: number): void {
    if (this.#startedMs === null || this.#result !== null) return
    let before: number
    do {
      before = this.#progress()
      for (const job of this.#graph.values()) this.#settle(job, nowMs)
    } while (before !== this.#progress())
    this.#startQueued(nowMs)
    const jobs = [...this.#graph.values()]
    if (jobs.some(({ result }) => result === null)) return this.#refuseDeadlock(jobs, nowMs)
    this.#result = this.#conclusionOf(jobs)
    this.#report({ type: 'run.finished', data: { conclusion: this.#result, durationMs: nowMs - this.#startedMs } })
  }

  /** Grows with each job that is expanded or done. */
  #progress(): number {
    return [...this.#graph.values()].reduce(
      (sum, job) => sum + (job.expansion === null ? 0 : 1) + job.closed.length + (job.result === null ? 0 : 1),
      0,
    )
  }

  #settle(job: GraphJob, nowMs: number): void {
    if (job.result !== null) return
    if (job.expansion === null) this.#resolve(job)
    if (job.expansion?.failFast === true && job.runs.some(breaksMatrix)) for (const run of job.runs) run.cancel(nowMs)
    for (const run of job.runs) if (run.isClosed && !job.closed.includes(run)) job.closed.push(run)
    if (job.expansion !== null && job.closed.length === job.runs.length) job.result = needResult(job)
  }

  /** Decides about a job once all that it needs is done. */
  #resolve(job: GraphJob): void {
    if (this.#isCancelled) return this.#close(job, 'cancelled', 'the run was cancelled')
    const needs = this.#needsOf(job)
    if (needs === null) return
    try {
      if (!this.#conditionHolds(job, needs)) return this.#close(job, 'skipped', skipReason(job.plan))
      const expansion = expandJob(this.#input, job.plan, needs)
      if (expansion.jobs.length === 0) return this.#close(job, 'skipped', 'no combination of its matrix was asked for')
      this.#queue(job, expansion)
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) throw thrown
      this.#close(job, 'failure', quotable(this.#input, messageOf(thrown)))
    }
  }

  #needsOf(job: GraphJob): ReadonlyMap<string, NeedResult> | null {
    const needs = new Map<string, NeedResult>()
    for (const id of job.plan.needs) {
      const result = this.#graph.get(id)?.result ?? null
      if (result === null) return null
      needs.set(id, result)
    }
    return needs
  }

  /** Status functions see all ancestors, not only the direct ones. */
  #conditionHolds(job: GraphJob, needs: ReadonlyMap<string, NeedResult>): boolean {
    const results = job.ancestors.map((id) => this.#graph.get(id)?.result?.result ?? 'failure')
    const functions = statusFunctions({ result: ancestorResult(results), isCancelled: this.#isCancelled })
    return evaluateIf(job.plan.if, scope(jobContexts(this.#input, job.plan, needs), functions), 'success')
  }

  /** Ends a job that never runs. */
  #close(job: GraphJob, conclusion: 'skipped' | 'failure' | 'cancelled', message: string): void {
    const name = staticName(job.plan)
    const about = { job: job.plan.id }
    job.conclusion = conclusion
    job.result = { result: conclusion, outputs: {} }
    if (conclusion === 'skipped') this.#report({ type: 'job.skipped', ...about, data: { name, reason: message } })
    else this.#report({ type: 'job.finished', ...about, data: { name, conclusion, durationMs: 0, outputs: {}, message } })
  }

  #queue(job: GraphJob, expansion: Expansion): void {
    job.expansion = expansion
    job.runs = expansion.jobs.map(
      (one) =>
        new JobRun({
          input: this.#input,
          plan: job.plan,
          job: one,
          send: (command) => this.#commands.push(command),
          runOutputBytes: () => [...this.#runs.values()].reduce((sum, run) => sum + run.outputs.bytes, 0),
        }),
    )
    for (const run of job.runs) {
      const { key, name, matrix } = run.instance
      this.#runs.set(key, run)
      this.#report({ type: 'job.queued', job: key, data: { name, needs: job.plan.needs, matrix } })
    }
  }

  /** In the file's order, as far as `max-parallel` and the run's limit allow. */
  #startQueued(nowMs: number): void {
    let free = Math.max(1, this.#input.jobsMax) - [...this.#runs.values()].filter(({ isActive }) => isActive).length
    for (const { runs, expansion } of this.#graph.values()) {
      let freeHere = (expansion?.maxParallel ?? 0) - runs.filter(({ isActive }) => isActive).length
      for (const run of runs) {
        if (free <= 0 || freeHere <= 0) break
        if (!run.isQueued) continue
        run.start(nowMs)
        free -= 1
        freeHere -= 1
      }
    }
  }

  /** The parser refuses cycles; were one to come through, the run must still end. */
  #refuseDeadlock(jobs: readonly GraphJob[], nowMs: number): void {
    if ([...this.#runs.values()].some(({ isActive }) => isActive)) return
    const stuck = jobs.filter(({ result }) => result === null)
    for (const job of stuck)
      this.#close(job, 'failure', `Cannot run job ${job.plan.id}: what it needs (${job.plan.needs.join(', ')}) can never be done`)
    this.#proceed(nowMs)
  }

  #conclusionOf(jobs: readonly GraphJob[]): Conclusion {
    const results = jobs.map(({ result }) => result?.result ?? 'failure')
    if (this.#isCancelled && results.includes('cancelled')) return 'cancelled'
    return mergedConclusion(results)
  }

  #report(event: EngineReport): void {
    this.#commands.push({ type: 'report', event })
  }
}

/** The jobs of the file, or `--job` and all that it needs. */
function graphOf(input: EngineInput): ReadonlyMap<string, GraphJob> {
  const plans = new Map(input.workflow.jobs.map((plan) => [plan.id, plan]))
  const wanted = input.onlyJob === null ? null : new Set([input.onlyJob, ...ancestorsOf(input.onlyJob, plans)])
  const jobs = input.workflow.jobs.filter(({ id }) => wanted?.has(id) ?? true)
  return new Map(
    jobs.map((plan) => [
      plan.id,
      { plan, ancestors: ancestorsOf(plan.id, plans), expansion: null, runs: [], closed: [], result: null, conclusion: null },
    ]),
  )
}

function ancestorsOf(id: string, plans: ReadonlyMap<string, JobPlan>): readonly string[] {
  const found = new Set<string>()
  const waiting = [...(plans.get(id)?.needs ?? [])]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue
    found.add(next)
    waiting.push(...(plans.get(next)?.needs ?? []))
  }
  return [...found]
}

function ancestorResult(results: readonly Conclusion[]): Status['result'] {
  if (results.includes('failure')) return 'failure'
  // A skipped ancestor makes neither success() nor failure() true.
  return results.every((result) => result === 'success') ? 'success' : null
}

function breaksMatrix(run: JobRun): boolean {
  return run.conclusion === 'failure' && !run.continueOnError
}

/** For the jobs that need it: a forgiven failure is a success, and non-empty outputs of later jobs win. */
function needResult({ closed }: GraphJob): NeedResult {
  const results = closed.map((run) => (run.conclusion === 'failure' && run.continueOnError ? 'success' : (run.conclusion ?? 'failure')))
  const outputs = new Map<string, string>()
  for (const run of closed)
    for (const [name, value] of Object.entries(run.outputs.values)) if (value !== '' || !outputs.has(name)) outputs.set(name, value)
  return { result: mergedConclusion(results), outputs: Object.fromEntries(outputs) }
}

function mergedConclusion(results: readonly Conclusion[]): Conclusion {
  for (const conclusion of ['failure', 'cancelled', 'success'] as const) if (results.includes(conclusion)) return conclusion
  return 'skipped'
}

function skipReason({ if: condition, needs }: JobPlan): string {
  if (condition === null) return `not all of what it needs succeeded (${needs.join(', ')})`
  return `if: ${condition.callsStatusFunction ? '' : 'success() && '}${condition.expression} is false`
}

function staticName({ name, id }: JobPlan): string {
  return name?.kind === 'literal' && name.value !== null ? String(name.value) : id
}

function unrunResult({ plan, conclusion }: GraphJob): JobResult {
  return { key: plan.id, id: plan.id, name: staticName(plan), matrix: null, conclusion: conclusion ?? 'skipped', outputs: {}, steps: [] }
}
