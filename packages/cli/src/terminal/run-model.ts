// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope } from '@sallyport/core'
import { oneLine } from './sanitize.ts'

export interface StepState {
  readonly id: string
  readonly name: string
  /** `running`, or the conclusion. */
  readonly state: string
  readonly startedAtMs: number
  readonly durationMs: number | null
  readonly message: string | null
}

export interface JobState {
  readonly key: string
  readonly name: string
  /** `queued`, `preparing`, `running`, or the conclusion. */
  readonly state: string
  readonly startedAtMs: number
  readonly durationMs: number | null
  readonly message: string | null
  readonly steps: readonly StepState[]
}

/** What a run looks like now, from its events; all texts in it are safe to print. */
export class RunModel {
  readonly #jobs: Map<string, JobState> = new Map()

  get jobs(): readonly JobState[] {
    return [...this.#jobs.values()]
  }

  job(key: string): JobState | undefined {
    return this.#jobs.get(key)
  }

  /** The step's name for a prefix; its id when it is not known. */
  stepName(job: string, step: string): string {
    return this.#jobs.get(job)?.steps.find(({ id }) => id === step)?.name ?? oneLine(step)
  }

  apply(event: EventEnvelope): void {
    const { job, step, type, data } = event
    if (job === undefined) return
    if (step !== undefined) {
      const change = stepChange(type, data, Date.parse(event.at))
      if (change !== null) this.#changeStep(job, step, change)
      return
    }
    const change = jobChange(type, data, Date.parse(event.at))
    if (change !== null) this.#changeJob(job, change)
  }

  #changeJob(key: string, change: Partial<JobState>): void {
    const before = this.#jobs.get(key) ?? {
      key,
      name: oneLine(key),
      state: 'queued',
      startedAtMs: 0,
      durationMs: null,
      message: null,
      steps: [],
    }
    this.#jobs.set(key, { ...before, ...change })
  }

  #changeStep(job: string, id: string, change: Partial<StepState>): void {
    const steps = this.#jobs.get(job)?.steps ?? []
    const index = steps.findIndex((step) => step.id === id)
    const before = steps[index] ?? { id, name: oneLine(id), state: 'running', startedAtMs: 0, durationMs: null, message: null }
    const after = { ...before, ...change }
    this.#changeJob(job, { steps: index === -1 ? [...steps, after] : steps.with(index, after) })
  }
}

type Data = EventEnvelope['data']

function jobChange(type: string, data: Data, atMs: number): Partial<JobState> | null {
  switch (type) {
    case 'job.queued':
      return { ...nameOf(data), state: 'queued' }
    case 'job.preparing':
      return { ...nameOf(data), state: 'preparing', startedAtMs: atMs }
    case 'job.prepared':
      return { state: 'running' }
    case 'job.refused':
      return { message: messageOf(data) }
    case 'job.skipped':
      return { ...nameOf(data), state: 'skipped', durationMs: 0, message: textOf(data['reason']) }
    case 'job.finished':
      return { ...nameOf(data), ...endOf(data), ...(textOf(data['message']) !== null && { message: textOf(data['message']) }) }
    default:
      return null
  }
}

function stepChange(type: string, data: Data, atMs: number): Partial<StepState> | null {
  switch (type) {
    case 'step.started':
      return { ...nameOf(data), state: 'running', startedAtMs: atMs }
    case 'step.skipped':
      return { ...nameOf(data), state: 'skipped', durationMs: 0, message: textOf(data['reason']) }
    case 'step.finished':
      return { ...nameOf(data), ...endOf(data), message: messageOf(data) }
    default:
      return null
  }
}

function nameOf(data: Data): { name?: string } {
  const name = textOf(data['name'])
  return name === null ? {} : { name }
}

function endOf(data: Data): { state: string; durationMs: number | null } {
  const duration = data['durationMs']
  return { state: textOf(data['conclusion']) ?? 'failure', durationMs: typeof duration === 'number' ? duration : null }
}

function messageOf(data: Data): string | null {
  return textOf(data['message'])
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? oneLine(value) : null
}
