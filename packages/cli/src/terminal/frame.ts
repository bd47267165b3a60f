// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@sallyport/core'
import type { JobState, StepState } from './run-model.ts'
import { type Style, signOf } from './style.ts'
import { fit, widthOf } from './width.ts'

/** Less says nothing. */
const NAME_COLUMNS_MIN = 8
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export interface FrameOptions {
  readonly columns: number
  readonly rows: number
  readonly nowMs: number
  readonly style: Style
}

/** The jobs that are at work, as lines for the foot of the terminal; never more than fit there. */
export function renderFrame(jobs: readonly JobState[], options: FrameOptions): readonly string[] {
  const active = jobs.filter(({ state }) => state === 'preparing' || state === 'running')
  const queued = jobs.filter(({ state }) => state === 'queued').length
  const rowsMax = Math.max(1, options.rows - 2)
  const rowsPerJob = active.length === 0 ? 0 : Math.max(1, Math.floor((rowsMax - 1) / active.length))
  const narrow = { ...options, columns: options.columns - 1 }
  const lines = active.flatMap((job) => renderJob(job, rowsPerJob, narrow)).slice(0, Math.max(0, rowsMax - 1))
  if (queued > 0) lines.push(options.style.dim(`  ${queued} queued`))
  return lines.map((line) => fit(line, narrow.columns))
}

function renderJob(job: JobState, rowsMax: number, options: FrameOptions): string[] {
  const { style, nowMs } = options
  const what = job.state === 'preparing' ? style.dim(' preparing') : ''
  const head = `${style.warn(spin(nowMs))} ${style.bold(job.name)} ${style.dim(formatDuration(elapsed(job, nowMs)))}${what}`
  const room = rowsMax - 1
  if (room < 1) return [head]
  const running = job.steps.filter(({ state }) => state === 'running').slice(-room)
  const ended = job.steps.filter(({ state }) => state !== 'running')
  const shown = room > running.length ? ended.slice(-(room - running.length)) : []
  return [head, ...shown.map((step) => renderStep(step, options)), ...running.map((step) => renderStep(step, options))]
}

/** The name gives way, not the time: a step without a name is called by its first line, which may be long. */
export function renderStep(step: StepState, { style, nowMs, columns }: Omit<FrameOptions, 'rows'>): string {
  // The end of an action's step comes after others, so it is not shown as if it belonged to the last of them.
  const depth = step.id.replace(/\.(pre|post)$/, '').split('.').length
  const indent = '  '.repeat(Math.min(8, depth))
  const sign = step.state === 'running' ? style.warn(spin(nowMs)) : signOf(step.state, style)
  const time = step.state === 'skipped' ? 'skipped' : formatDuration(step.durationMs ?? elapsed(step, nowMs))
  const room = columns - widthOf(`${indent}${sign}  ${time}`)
  return `${indent}${sign} ${fit(step.name, Math.max(NAME_COLUMNS_MIN, room))} ${style.dim(time)}`
}

function elapsed({ startedAtMs }: { readonly startedAtMs: number }, nowMs: number): number {
  return startedAtMs === 0 ? 0 : Math.max(0, nowMs - startedAtMs)
}

function spin(nowMs: number): string {
  return SPINNER[Math.floor(nowMs / 100) % SPINNER.length] ?? ''
}
