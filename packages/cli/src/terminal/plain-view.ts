// SPDX-License-Identifier: Apache-2.0
import { type EventEnvelope, formatDuration } from '@sallyport/core'
import { showLine } from './command-line.ts'
import { DoorNotes } from './doors.ts'
import { LineBuffer } from './line-buffer.ts'
import { RunModel } from './run-model.ts'
import { oneLine, Sanitizer } from './sanitize.ts'
import type { Sink } from './sink.ts'
import type { View } from './view.ts'

export interface PlainViewOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly allowsColor: boolean
}

/** A step without a name is called by its first line, which may be long. */
const STEP_CHARACTERS_MAX = 40

/** Lines `job | step | text`: what jobs print on stdout, what happens to them on stderr. */
export class PlainView implements View {
  readonly #options: PlainViewOptions
  readonly #model = new RunModel()
  readonly #doors = new DoorNotes()
  /** By job and step; removed when the step ends. */
  readonly #buffers: Map<string, LineBuffer> = new Map()

  constructor(options: PlainViewOptions) {
    this.#options = options
  }

  event(event: EventEnvelope): void {
    this.#model.apply(event)
    const { job, step } = event
    if (job !== undefined && step !== undefined && event.type === 'step.finished') this.#endOutput(job, step)
    const text = this.#doors.describe(event) ?? describe(event, this.#model)
    if (text !== null) this.note(this.#prefix(job, step) + text)
  }

  output(job: string, step: string, bytes: Uint8Array): void {
    const key = JSON.stringify([job, step])
    const buffer = this.#buffers.get(key) ?? new LineBuffer()
    this.#buffers.set(key, buffer)
    const prefix = this.#prefix(job, step)
    buffer.write(bytes, (line) => this.#printLine(prefix, line))
  }

  note(line: string): void {
    this.#options.stderr.write(`${line}\n`)
  }

  close(): void {
    for (const key of [...this.#buffers.keys()]) {
      const [job, step] = JSON.parse(key) as [string, string]
      this.#endOutput(job, step)
    }
  }

  #endOutput(job: string, step: string): void {
    const key = JSON.stringify([job, step])
    this.#buffers.get(key)?.end((line) => this.#printLine(this.#prefix(job, step), line))
    this.#buffers.delete(key)
  }

  #printLine(prefix: string, line: string): void {
    const shown = showLine(line)
    if (shown === null) return
    const { stdout, allowsColor } = this.#options
    stdout.write(`${prefix}${stdout.isTerminal ? sanitizeLine(shown, allowsColor, prefix) : shown}\n`)
  }

  #prefix(job: string | undefined, step: string | undefined): string {
    if (job === undefined) return ''
    const name = this.#model.job(job)?.name ?? oneLine(job)
    return step === undefined ? `${name} | ` : `${name} | ${oneLine(this.#model.stepName(job, step), STEP_CHARACTERS_MAX)} | `
  }
}

/** A carriage return inside of a line begins a new one, which gets the prefix as well. */
function sanitizeLine(line: string, keepsColor: boolean, prefix: string): string {
  const sanitizer = new Sanitizer(keepsColor)
  const safe = sanitizer.write(line.endsWith('\r') ? line.slice(0, -1) : line) + sanitizer.end()
  return safe.replaceAll('\n', `\n${prefix}`)
}

function describe(event: EventEnvelope, model: RunModel): string | null {
  const { type, data } = event
  const job = event.job === undefined ? undefined : model.job(event.job)
  const step = job?.steps.find(({ id }) => id === event.step)
  switch (type) {
    case 'run.notice':
      return `notice: ${text(data['message'])}`
    case 'job.preparing':
      return `preparing ${text(data['image'])}`.trimEnd()
    case 'job.refused':
      return `refused: ${text(data['message'])}`
    case 'job.skipped':
      return `skipped: ${text(data['reason'])}`
    case 'job.finished':
      return `${job?.state} in ${formatDuration(job?.durationMs ?? 0)}${job?.message ? `: ${job.message}` : ''}`
    case 'step.started':
      return 'started'
    case 'step.finished':
      return `${step?.state} in ${formatDuration(step?.durationMs ?? 0)}${step?.message ? `: ${step.message}` : ''}`
    case 'step.skipped':
      return 'skipped'
    case 'step.warning':
      return `warning: ${text(data['message'])}`
    case 'limit.hit':
      return `limit: ${text(data['limit'])}: ${text(data['detail'])}`
    default:
      return null
  }
}

function text(value: unknown): string {
  return oneLine(String(value ?? ''))
}
