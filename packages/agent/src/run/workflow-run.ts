// SPDX-License-Identifier: Apache-2.0
import {
  type Conclusion,
  createEngine,
  type Engine,
  type EngineCommand,
  type EngineEvent,
  type EngineInput,
  type EngineReport,
} from '@sallyport/engine'
import type { JobDocument, RunDocument } from '../contract.ts'
import { selfCheckOf } from '../prepare/prepare-sandbox.ts'
import { JobHost, type RunShared } from './job-host.ts'

/** What the final document wants to know beyond the engine's own results. */
export interface WorkflowOutcome {
  readonly conclusion: Conclusion
  readonly jobs: readonly JobDocument[]
  readonly secrets: RunDocument['secrets']
  readonly published: RunDocument['published']
}

/** Carries out one workflow: the engine decides, this does, and tells the engine what came of it. */
export class WorkflowRun {
  readonly #engine: Engine
  readonly #shared: RunShared
  readonly #hosts = new Map<string, JobHost>()
  readonly #durations = new Map<string, number>()
  readonly #secrets: WorkflowOutcome['secrets'][number][] = []
  readonly #queue: EngineEvent[] = []
  #wake: (() => void) | null = null

  constructor(input: EngineInput, shared: RunShared) {
    this.#engine = createEngine(input)
    this.#shared = shared
  }

  /** Running steps are cancelled; `always()` steps still run. */
  cancel(): void {
    this.#push({ type: 'cancel' })
    for (const host of this.#hosts.values()) host.abandonPreparation()
  }

  /** Ends every sandbox at once. */
  kill(): void {
    for (const host of this.#hosts.values()) void host.kill()
  }

  async run(): Promise<WorkflowOutcome> {
    this.#push({ type: 'start' })
    while (this.#engine.result() === null) {
      const event = this.#queue.shift()
      if (event === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
      else for (const command of this.#engine.handle(event, Date.now())) this.#perform(command)
    }
    return {
      conclusion: this.#engine.result() ?? 'failure',
      jobs: this.#documents(),
      secrets: [...this.#secrets, ...this.#handed()],
      published: [...this.#hosts.values()].flatMap(({ published }) => published),
    }
  }

  #push(event: EngineEvent): void {
    this.#queue.push(event)
    this.#wake?.()
  }

  #perform(command: EngineCommand): void {
    if (command.type === 'report') return this.#report(command.event)
    if (command.type === 'start-job') {
      const host = new JobHost(command, this.#shared, (event) => this.#push(event))
      this.#hosts.set(command.job.key, host)
      void host.start()
      void host.stepBegan.then(() => this.#warmNext(host))
      return
    }
    const host = this.#hosts.get(command.job)
    if (host === undefined) throw new TypeError(`no host for job "${command.job}"`)
    void host.perform(command)
  }

  /** While its first step runs, and not before: it would wait for what is made. For a job that comes later. */
  #warmNext(host: JobHost): void {
    if (host.prepared === null || this.#engine.result() !== null) return
    const comes = this.#engine.jobs().some(({ key }) => !this.#hosts.has(key) && !this.#durations.has(key))
    if (comes) host.warmNext()
  }

  #report(event: EngineReport): void {
    if (event.type === 'job.finished' && event.job !== undefined) this.#durations.set(event.job, event.data.durationMs)
    if (event.type === 'step.started') {
      const { job = '', step = '' } = event
      // Of those that an access file declares, its grants decide, when the step starts.
      const undeclared = event.data.secrets.filter((name) => !this.#shared.runSecrets.isDeclared(name))
      for (const name of undeclared) this.#secrets.push({ name, job, step, delivery: 'env' })
    }
    this.#shared.recorder.add(event)
  }

  #handed(): RunDocument['secrets'] {
    return [...this.#hosts].flatMap(([job, host]) => host.handed.map(({ name, step, delivery }) => ({ name, job, step, delivery })))
  }

  #documents(): JobDocument[] {
    return this.#engine.jobs().map((job) => {
      const prepared = this.#hosts.get(job.key)?.prepared ?? null
      return {
        id: job.id,
        key: job.key,
        name: job.name,
        matrix: job.matrix,
        conclusion: job.conclusion,
        durationMs: this.#durations.get(job.key) ?? 0,
        outputs: job.outputs,
        image: prepared?.image ?? null,
        isolation: prepared?.isolation ?? null,
        selfCheck: prepared === null ? null : selfCheckOf(prepared),
        steps: job.steps,
      }
    })
  }
}
